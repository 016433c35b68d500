/*
 * The connector process: resolves and connects, and hands the connected
 * descriptor to the engine.  It holds no secret, and a dead server costs nobody
 * else a moment.
 */
#include "daemon/connector.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "daemon/child_parts.h"
#include "daemon/ipc_messages.h"

#define HOST_MAX 255
#define EVENTS_A_TURN 64

struct ipc_channel *connector_engine;
int connector_epoll;

static struct {
    int resolver_fd;
    struct request *all;
    uint64_t serial;
    bool over; /* the engine is gone */
} connector;

static void
free_finished(void)
{
    struct request **at = &connector.all;

    while (*at != NULL) {
        struct request *q = *at;

        if (!q->over) {
            at = &q->next;
            continue;
        }
        *at = q->next;
        if (q->addresses != NULL)
            freeaddrinfo(q->addresses);
        if (q->last_good != NULL)
            freeaddrinfo(q->last_good);
        free(q->host);
        free(q->source);
        free(q);
    }
}

static void
take_resolved(void)
{
    struct resolver_answer answer;

    while (resolver_take(&answer)) {
        struct request *q = connector.all;

        while (q != NULL && (q->serial != answer.serial || q->over))
            q = q->next;
        if (q == NULL) {
            if (answer.list != NULL)
                freeaddrinfo(answer.list);
            continue;
        }
        q->resolving = false;
        q->addresses = answer.list;
        q->resolve_failure = answer.failure;
        q->resolve_errno = answer.failure_errno;
        request_add_addresses(q, answer.list);
        request_go_on(q, clock_mono_ms());
    }
}

static void
start_request(struct request *q, const char *last_good)
{
    q->addresses = resolver_numeric(q->host, q->port);
    if (last_good[0] != '\0')
        q->last_good = resolver_numeric(last_good, q->port);
    request_add_addresses(q, q->last_good);
    request_add_addresses(q, q->addresses);
    if (q->addresses == NULL) {
        q->resolving = true;
        resolver_ask(q->serial, q->host, q->port);
    }
    request_go_on(q, clock_mono_ms());
}

static bool
take_connect(const struct ipc_message *m)
{
    struct reader r = reader_over(m->body, m->body_len);
    struct request *q = alloc_zeroed(1, sizeof(*q));
    char *last_good;
    bool ok;

    q->tag = m->tag;
    q->serial = ++connector.serial;
    q->host = reader_string(&r, HOST_MAX);
    q->port = reader_u16(&r);
    last_good = reader_string(&r, CONNECTOR_ADDRESS_MAX);
    q->source = reader_string(&r, CONNECTOR_ADDRESS_MAX);
    q->deadline_ms = clock_mono_ms() + reader_u32(&r);
    ok = reader_done(&r);
    q->next = connector.all;
    connector.all = q;
    if (ok)
        start_request(q, last_good);
    else
        q->over = true;
    free(last_good);
    return ok;
}

static bool
take_cancel(const struct ipc_message *m)
{
    for (struct request *q = connector.all; q != NULL; q = q->next)
        if (q->tag == m->tag && !q->over)
            request_finish(q);
    return true;
}

static bool
take_message(void *ctx, struct ipc_message *m)
{
    bool ok = false;

    (void)ctx;
    if (m->fd >= 0)
        close(m->fd);
    if (m->type == IPC_CONNECT)
        ok = take_connect(m);
    else if (m->type == IPC_CANCEL)
        ok = take_cancel(m);
    connector.over = !ok; /* the engine never says anything else */
    return ok;
}

/* Starts what is due and fails what is overdue; milliseconds until that is to
 * be looked at again, -1 for never. */
static int
keep_time(void)
{
    int64_t now = clock_mono_ms();
    int64_t first = INT64_MAX;

    for (struct request *q = connector.all; q != NULL; q = q->next) {
        if (!q->over)
            request_go_on(q, now);
        if (!q->over && now >= q->deadline_ms)
            request_expire(q);
        if (q->over)
            continue;
        if (q->deadline_ms < first)
            first = q->deadline_ms;
        if (q->tried < q->try_count && q->next_try_ms < first)
            first = q->next_try_ms;
    }
    free_finished();
    if (first == INT64_MAX)
        return -1;
    return first > now ? (int)(first - now) : 0;
}

static void
serve_engine(void)
{
    struct err e = ERR_INIT;

    if (ipc_flush(connector_engine, &e) != 0 ||
        ipc_receive(connector_engine, take_message, NULL, &e) != 0)
        connector.over = true;
}

static void
watch(int fd, uint32_t events, int op, void *what)
{
    struct epoll_event event = { .events = events, .data.ptr = what };

    (void)epoll_ctl(connector_epoll, op, fd, &event);
}

static void
turn(void)
{
    struct epoll_event events[EVENTS_A_TURN];
    int timeout = keep_time();
    int n;

    watch(CHILD_CHANNEL_FD,
        ipc_wants_write(connector_engine) ? EPOLLIN | EPOLLOUT : EPOLLIN,
        EPOLL_CTL_MOD, &connector_engine);
    n = epoll_wait(connector_epoll, events, EVENTS_A_TURN, timeout);
    for (int i = 0; i < n && !connector.over; i++) {
        if (events[i].data.ptr == &connector_engine)
            serve_engine();
        else if (events[i].data.ptr == &connector.resolver_fd)
            take_resolved();
        else
            request_take_attempt(events[i].data.ptr);
    }
}

int
connector_main(void)
{
    connector_engine = ipc_channel_new(CHILD_CHANNEL_FD);
    connector_epoll = epoll_create1(EPOLL_CLOEXEC);
    connector.resolver_fd = resolver_start();
    watch(CHILD_CHANNEL_FD, EPOLLIN, EPOLL_CTL_ADD, &connector_engine);
    watch(connector.resolver_fd, EPOLLIN, EPOLL_CTL_ADD,
        &connector.resolver_fd);
    while (!connector.over)
        turn();
    for (struct request *q = connector.all; q != NULL; q = q->next)
        request_finish(q);
    free_finished();
    ipc_channel_free(connector_engine);
    /* A thread may be waiting for a name server for ever. */
    _exit(0);
}

/*
 * The connector process: resolves and connects, and hands the connected
 * descriptor to the engine.  It holds no secret.  Every request has its own
 * attempts: one address after another, a little apart, the first to answer
 * wins.  A dead server costs nobody else a moment.
 */
#include "daemon/connector.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin-proto/ssh_client.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "daemon/child_parts.h"
#include "daemon/ipc_messages.h"

#define HOST_MAX 255
#define ADDRESS_MAX 128
#define ADDRESSES_MAX 16 /* of one name */
#define APART_MS 250     /* RFC 8305, section 5 */
#define EVENTS_A_TURN 64

struct attempt {
    struct request *request; /* NULL: slot unused */
    int fd;
};

struct request {
    struct request *next; /* of all */
    uint64_t serial;      /* of the resolver's answer */
    uint32_t tag;
    char *host;
    char *source;
    uint16_t port;
    int64_t deadline_ms;
    int64_t next_try_ms; /* when the next address has its turn */
    bool resolving;
    bool over;
    struct addrinfo *addresses; /* resolved */
    struct addrinfo *last_good;
    const struct addrinfo *to_try[ADDRESSES_MAX];
    size_t try_count;
    size_t tried;
    size_t under_way;
    struct attempt attempts[ADDRESSES_MAX];
    int worst_errno;     /* of the failed attempts, what says most */
    int resolve_failure; /* EAI_... */
    int resolve_errno;
};

static struct {
    struct ipc_channel *engine;
    int epoll;
    int resolver_fd;
    struct request *all;
    uint64_t serial;
    bool over;
} connector;

/* --- answers ------------------------------------------------------------ */

/* What errno says about the server; later entries say more, and win over what
 * its other addresses said. */
static const struct {
    int errnum;
    enum err_code code;
    const char *words;
    const char *hint;
} meanings[] = {
    { EAFNOSUPPORT, ERR_NO_ROUTE, "this host cannot use such an address",
        "Try the server's address of the other IP version." },
    { EADDRNOTAVAIL, ERR_NO_ROUTE, "no local address can reach it",
        "Check this host's addresses and the configured source address." },
    { ENETDOWN, ERR_NO_ROUTE, "the network is down",
        "Check this host's network interfaces." },
    { EACCES, ERR_NO_ROUTE, "a local rule forbids it",
        "Check this host's own firewall." },
    { EPERM, ERR_NO_ROUTE, "a local rule forbids it",
        "Check this host's own firewall." },
    { ENETUNREACH, ERR_NO_ROUTE, "no route to its network",
        "Check this host's routes and the server's address." },
    { EHOSTUNREACH, ERR_NO_ROUTE, "no route to host",
        "Check that the server is up and that routes lead to it." },
    { ETIMEDOUT, ERR_NO_ANSWER, "no answer",
        "Check that the server is up and that a firewall lets the port "
        "through." },
    { ECONNREFUSED, ERR_CONNECTION_REFUSED, "connection refused",
        "Check that lockstepd runs there and listens on this port." },
};
enum { MEANING_COUNT = sizeof(meanings) / sizeof(meanings[0]) };

static int
meaning_of(int errnum)
{
    for (int i = MEANING_COUNT - 1; i >= 0; i--)
        if (meanings[i].errnum == errnum)
            return i;
    return -1;
}

static void
tell_failure(uint32_t tag, const struct err *e)
{
    struct buf body = BUF_INIT;

    buf_put_string(&body, err_code_name(e->code));
    buf_put_string(&body, e->message);
    buf_put_string(&body, e->hint);
    ipc_send(connector.engine, IPC_FAILED, tag, body.data, body.len, -1);
    buf_release(&body);
}

static void
describe_failure(const struct request *q, struct err *e)
{
    char where[320];
    int m = meaning_of(q->worst_errno);

    if (q->worst_errno == 0 && q->resolve_failure != 0) {
        err_set(e, ERR_RESOLVE, "could not resolve \"%s\": %s", q->host,
            q->resolve_failure == EAI_SYSTEM
                ? strerror(q->resolve_errno)
                : gai_strerror(q->resolve_failure));
        err_hint(e, "Check the name, or give the address in numbers.");
        return;
    }
    if (q->worst_errno == 0 && q->resolving) {
        err_set(e, ERR_RESOLVE, "could not resolve \"%s\": no answer in time",
            q->host);
        err_hint(e, "Check this host's name servers.");
        return;
    }
    admin_address_format(q->host, q->port, where, sizeof(where));
    if (m < 0) {
        err_set_errno(e, ERR_UNREACHABLE, q->worst_errno,
            "could not connect to %s", where);
        return;
    }
    err_set(e, meanings[m].code, "could not connect to %s: %s", where,
        meanings[m].words);
    err_hint(e, "%s", meanings[m].hint);
}

static void
numeric_address(const struct sockaddr *address, socklen_t len, char *out)
{
    if (getnameinfo(address, len, out, ADDRESS_MAX, NULL, 0, NI_NUMERICHOST) !=
        0)
        out[0] = '\0';
}

static void
tell_connected(struct request *q, int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    char peer[ADDRESS_MAX] = "", own[ADDRESS_MAX] = "";
    struct buf body = BUF_INIT;

    if (getpeername(fd, (struct sockaddr *)&address, &len) == 0)
        numeric_address((struct sockaddr *)&address, len, peer);
    len = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &len) == 0)
        numeric_address((struct sockaddr *)&address, len, own);
    buf_put_string(&body, peer);
    buf_put_string(&body, own);
    ipc_send(connector.engine, IPC_CONNECTED, q->tag, body.data, body.len, fd);
    buf_release(&body);
}

/* --- a request's end ---------------------------------------------------- */

static void
close_attempts(struct request *q)
{
    for (size_t i = 0; i < q->tried; i++) {
        if (q->attempts[i].fd >= 0)
            close(q->attempts[i].fd);
        q->attempts[i].fd = -1;
    }
    q->under_way = 0;
}

/* Its memory stays until the loop's turn ends: events may point to it. */
static void
finish(struct request *q)
{
    close_attempts(q);
    q->over = true;
}

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
fail(struct request *q)
{
    struct err e = ERR_INIT;

    describe_failure(q, &e);
    tell_failure(q->tag, &e);
    finish(q);
}

/* --- attempts ----------------------------------------------------------- */

static void
note_errno(struct request *q, int errnum)
{
    if (q->worst_errno == 0 || meaning_of(errnum) > meaning_of(q->worst_errno))
        q->worst_errno = errnum;
}

static int
bind_source(int fd, const char *source)
{
    struct addrinfo *list;
    int r;

    if (source[0] == '\0')
        return 0;
    list = resolver_numeric(source, 0);
    if (list == NULL) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    r = bind(fd, list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);
    return r;
}

/* 0: under way, or connected (which epoll says at once). */
static int
start_attempt(struct request *q, const struct addrinfo *a,
    struct attempt *attempt)
{
    struct epoll_event event = { .events = EPOLLOUT, .data.ptr = attempt };
    int fd =
        socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    attempt->request = q;
    attempt->fd = -1;
    if (fd < 0)
        return -1;
    if (bind_source(fd, q->source) != 0 ||
        (connect(fd, a->ai_addr, a->ai_addrlen) != 0 && errno != EINPROGRESS) ||
        epoll_ctl(connector.epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        int saved = errno;

        close(fd);
        errno = saved;
        return -1;
    }
    attempt->fd = fd;
    q->under_way++;
    return 0;
}

/* Starts the next addresses that are due; fails the request when there is
 * nothing left to hope for. */
static void
go_on(struct request *q, int64_t now)
{
    while (!q->over && q->tried < q->try_count &&
           (q->under_way == 0 || now >= q->next_try_ms)) {
        size_t i = q->tried++;

        if (start_attempt(q, q->to_try[i], &q->attempts[i]) != 0)
            note_errno(q, errno);
        q->next_try_ms = now + APART_MS;
    }
    if (!q->over && q->under_way == 0 && q->tried == q->try_count &&
        !q->resolving)
        fail(q);
}

static bool
is_listed(const struct request *q, const struct addrinfo *a)
{
    for (size_t i = 0; i < q->try_count; i++)
        if (q->to_try[i]->ai_addrlen == a->ai_addrlen &&
            memcmp(q->to_try[i]->ai_addr, a->ai_addr, a->ai_addrlen) == 0)
            return true;
    return false;
}

static void
add_addresses(struct request *q, const struct addrinfo *list)
{
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next)
        if (q->try_count < ADDRESSES_MAX && !is_listed(q, a))
            q->to_try[q->try_count++] = a;
}

static void
take_attempt(struct attempt *attempt)
{
    struct request *q = attempt->request;
    int errnum = 0;
    socklen_t len = sizeof(errnum);
    int fd = attempt->fd;

    if (q->over || fd < 0)
        return;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len) != 0)
        errnum = errno;
    attempt->fd = -1;
    q->under_way--;
    if (errnum != 0) {
        close(fd);
        note_errno(q, errnum);
        go_on(q, clock_mono_ms());
        return;
    }
    (void)epoll_ctl(connector.epoll, EPOLL_CTL_DEL, fd, NULL);
    tell_connected(q, fd);
    finish(q);
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
        add_addresses(q, answer.list);
        go_on(q, clock_mono_ms());
    }
}

/* --- the engine's messages ---------------------------------------------- */

static void
start_request(struct request *q, const char *last_good)
{
    q->addresses = resolver_numeric(q->host, q->port);
    if (last_good[0] != '\0')
        q->last_good = resolver_numeric(last_good, q->port);
    add_addresses(q, q->last_good);
    add_addresses(q, q->addresses);
    if (q->addresses == NULL) {
        q->resolving = true;
        resolver_ask(q->serial, q->host, q->port);
    }
    go_on(q, clock_mono_ms());
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
    last_good = reader_string(&r, ADDRESS_MAX);
    q->source = reader_string(&r, ADDRESS_MAX);
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
            finish(q);
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

/* --- the loop ----------------------------------------------------------- */

/* Starts what is due and fails what is overdue; milliseconds until that is to
 * be looked at again, -1 for never. */
static int
keep_time(void)
{
    int64_t now = clock_mono_ms();
    int64_t first = INT64_MAX;

    for (struct request *q = connector.all; q != NULL; q = q->next) {
        if (!q->over)
            go_on(q, now);
        if (!q->over && now >= q->deadline_ms) {
            if (q->under_way > 0)
                note_errno(q, ETIMEDOUT);
            fail(q);
        }
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

    if (ipc_flush(connector.engine, &e) != 0 ||
        ipc_receive(connector.engine, take_message, NULL, &e) != 0)
        connector.over = true;
}

static void
watch(int fd, uint32_t events, int op, void *what)
{
    struct epoll_event event = { .events = events, .data.ptr = what };

    (void)epoll_ctl(connector.epoll, op, fd, &event);
}

static void
turn(void)
{
    struct epoll_event events[EVENTS_A_TURN];
    int timeout = keep_time();
    int n;

    watch(CHILD_CHANNEL_FD,
        ipc_wants_write(connector.engine) ? EPOLLIN | EPOLLOUT : EPOLLIN,
        EPOLL_CTL_MOD, &connector.engine);
    n = epoll_wait(connector.epoll, events, EVENTS_A_TURN, timeout);
    for (int i = 0; i < n && !connector.over; i++) {
        if (events[i].data.ptr == &connector.engine)
            serve_engine();
        else if (events[i].data.ptr == &connector.resolver_fd)
            take_resolved();
        else
            take_attempt(events[i].data.ptr);
    }
}

int
connector_main(void)
{
    connector.engine = ipc_channel_new(CHILD_CHANNEL_FD);
    connector.epoll = epoll_create1(EPOLL_CLOEXEC);
    connector.resolver_fd = resolver_start();
    watch(CHILD_CHANNEL_FD, EPOLLIN, EPOLL_CTL_ADD, &connector.engine);
    watch(connector.resolver_fd, EPOLLIN, EPOLL_CTL_ADD,
        &connector.resolver_fd);
    while (!connector.over)
        turn();
    for (struct request *q = connector.all; q != NULL; q = q->next)
        finish(q);
    free_finished();
    ipc_channel_free(connector.engine);
    /* A thread may be waiting for a name server for ever. */
    _exit(0);
}

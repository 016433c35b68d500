/*
 * One request to connect: its addresses one after another, a little apart, the
 * first to answer wins; and what the engine is told when none does.
 */
#include "daemon/connector.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin-proto/connect_error.h"
#include "admin-proto/ssh_client.h"
#include "base/clock.h"
#include "daemon/ipc_messages.h"

#define APART_MS 250 /* RFC 8305, section 5 */

static void
tell_failure(uint32_t tag, const struct err *e)
{
    struct buf body = BUF_INIT;

    buf_put_string(&body, err_code_name(e->code));
    buf_put_string(&body, e->message);
    buf_put_string(&body, e->hint);
    ipc_send(connector_engine, IPC_FAILED, tag, body.data, body.len, -1);
    buf_release(&body);
}

static void
describe_failure(const struct request *q, struct err *e)
{
    char where[320];

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
    connect_error_set(e, where, q->worst_errno);
}

static void
numeric_address(const struct sockaddr *address, socklen_t len, char *out)
{
    if (getnameinfo(address, len, out, CONNECTOR_ADDRESS_MAX, NULL, 0,
            NI_NUMERICHOST) != 0)
        out[0] = '\0';
}

static void
tell_connected(struct request *q, int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    char peer[CONNECTOR_ADDRESS_MAX] = "", own[CONNECTOR_ADDRESS_MAX] = "";
    struct buf body = BUF_INIT;

    if (getpeername(fd, (struct sockaddr *)&address, &len) == 0)
        numeric_address((struct sockaddr *)&address, len, peer);
    len = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &len) == 0)
        numeric_address((struct sockaddr *)&address, len, own);
    buf_put_string(&body, peer);
    buf_put_string(&body, own);
    ipc_send(connector_engine, IPC_CONNECTED, q->tag, body.data, body.len, fd);
    buf_release(&body);
}

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

void
request_finish(struct request *q)
{
    close_attempts(q);
    q->over = true;
}

static void
fail(struct request *q)
{
    struct err e = ERR_INIT;

    describe_failure(q, &e);
    tell_failure(q->tag, &e);
    request_finish(q);
}

static void
note_errno(struct request *q, int errnum)
{
    if (q->worst_errno == 0 ||
        connect_error_rank(errnum) > connect_error_rank(q->worst_errno))
        q->worst_errno = errnum;
}

static int
bind_source(int fd, int family, const char *source)
{
    struct addrinfo *list;
    int r;

    if (source[0] == '\0')
        return 0;
    list = resolver_numeric(source, 0);
    if (list == NULL || list->ai_family != family) {
        if (list != NULL)
            freeaddrinfo(list);
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
    if (bind_source(fd, a->ai_family, q->source) != 0 ||
        (connect(fd, a->ai_addr, a->ai_addrlen) != 0 && errno != EINPROGRESS) ||
        epoll_ctl(connector_epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        int saved = errno;

        close(fd);
        errno = saved;
        return -1;
    }
    attempt->fd = fd;
    q->under_way++;
    return 0;
}

void
request_go_on(struct request *q, int64_t now)
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

void
request_add_addresses(struct request *q, const struct addrinfo *list)
{
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next)
        if (q->try_count < ADDRESSES_MAX && !is_listed(q, a))
            q->to_try[q->try_count++] = a;
}

void
request_take_attempt(struct attempt *attempt)
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
        request_go_on(q, clock_mono_ms());
        return;
    }
    (void)epoll_ctl(connector_epoll, EPOLL_CTL_DEL, fd, NULL);
    tell_connected(q, fd);
    request_finish(q);
}

void
request_expire(struct request *q)
{
    if (q->under_way > 0)
        note_errno(q, ETIMEDOUT);
    fail(q);
}

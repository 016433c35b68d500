/*
 * A TCP connection to the first address that answers, with a deadline, and an
 * error that says which layer failed: name, route, port, or silence.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin-proto/connect_error.h"
#include "admin-proto/ssh_client.h"
#include "base/clock.h"

/* A peer that vanished is noticed after 15 s and three probes. */
enum { KEEPALIVE_S = 15, KEEPALIVE_PROBES = 3, USER_TIMEOUT_MS = 60000 };

static void
set_options(int fd)
{
    const int on = 1;
    const int idle_s = KEEPALIVE_S;
    const int probes = KEEPALIVE_PROBES;
    const unsigned user_timeout_ms = USER_TIMEOUT_MS;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle_s, sizeof(idle_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms,
        sizeof(user_timeout_ms));
}

/* Waits until FD is connected or DEADLINE_MS; an errno. */
static int
await_connection(int fd, int64_t deadline_ms)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    socklen_t len = sizeof(int);
    int64_t left_ms;
    int errnum = 0;
    int n;

    do {
        left_ms = deadline_ms - clock_mono_ms();
        if (left_ms <= 0)
            return ETIMEDOUT;
        n = poll(&p, 1, (int)left_ms);
    } while (n == 0 || (n < 0 && errno == EINTR));
    if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len) != 0)
        return errno;
    return errnum;
}

/* An errno.  SOURCE: an address in numbers, or NULL. */
static int
bind_source(int fd, int family, const char *source)
{
    const struct addrinfo hints = { .ai_family = family,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICHOST };
    struct addrinfo *own = NULL;
    int errnum = 0;

    if (source == NULL)
        return 0;
    if (getaddrinfo(source, NULL, &hints, &own) != 0)
        return EADDRNOTAVAIL;
    if (bind(fd, own->ai_addr, own->ai_addrlen) != 0)
        errnum = errno;
    freeaddrinfo(own);
    return errnum;
}

/* An errno, or 0 and *FD connected. */
static int
connect_one(const struct addrinfo *a, const char *source, int64_t deadline_ms,
    int *fd)
{
    int s = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
        a->ai_protocol);
    int errnum = 0;

    if (s < 0)
        return errno;
    set_options(s);
    errnum = bind_source(s, a->ai_family, source);
    if (errnum == 0 && connect(s, a->ai_addr, a->ai_addrlen) != 0) {
        errnum = errno;
        if (errnum == EINPROGRESS || errnum == EINTR)
            errnum = await_connection(s, deadline_ms);
    }
    if (errnum != 0) {
        close(s);
        return errnum;
    }
    *fd = s;
    return 0;
}

/* An errno; every address left gets its share of the time left. */
static int
connect_any(const struct addrinfo *list, const char *source,
    int64_t deadline_ms, int *fd, const struct addrinfo **chosen)
{
    const struct addrinfo *a;
    int errnum = ETIMEDOUT;
    int best = 0;
    int64_t left = 0;

    for (a = list; a != NULL; a = a->ai_next)
        left++;
    for (a = list; a != NULL; a = a->ai_next, left--) {
        int64_t now_ms = clock_mono_ms();

        errnum =
            connect_one(a, source, now_ms + (deadline_ms - now_ms) / left, fd);
        if (errnum == 0) {
            *chosen = a;
            return 0;
        }
        if (best == 0 || connect_error_rank(errnum) > connect_error_rank(best))
            best = errnum;
    }
    return best != 0 ? best : errnum;
}

static int
resolve(const char *host, uint16_t port, struct addrinfo **list, struct err *e)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICSERV };
    char service[8];
    int r;

    snprintf(service, sizeof(service), "%u", (unsigned)port);
    r = getaddrinfo(host, service, &hints, list);
    if (r == 0)
        return 0;
    err_set(e, ERR_RESOLVE, "could not resolve \"%s\": %s", host,
        r == EAI_SYSTEM ? strerror(errno) : gai_strerror(r));
    err_hint(e, "Check the name, or give the address in numbers.");
    return -1;
}

int
admin_tcp_connect(const char *host, uint16_t port, const char *source,
    int timeout_ms, int *fd, char *address, size_t address_size, struct err *e)
{
    struct addrinfo *list = NULL;
    const struct addrinfo *chosen = NULL;
    char where[320];
    int errnum;

    *fd = -1;
    if (address_size > 0)
        address[0] = '\0';
    if (resolve(host, port, &list, e) != 0)
        return -1;
    errnum =
        connect_any(list, source, clock_mono_ms() + timeout_ms, fd, &chosen);
    if (errnum == 0 && address_size > 0)
        getnameinfo(chosen->ai_addr, chosen->ai_addrlen, address,
            (socklen_t)address_size, NULL, 0, NI_NUMERICHOST);
    freeaddrinfo(list);
    if (errnum == 0)
        return 0;
    admin_address_format(host, port, where, sizeof(where));
    return connect_error_set(e, where, errnum);
}

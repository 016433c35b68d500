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

#include "admin-proto/ssh_client.h"
#include "base/clock.h"

/* A peer that vanished is noticed after 15 s and three probes. */
enum { KEEPALIVE_S = 15, KEEPALIVE_PROBES = 3, USER_TIMEOUT_MS = 60000 };

/* From what errno says to what we say; later entries say more about the
 * server, and so win over the errors of its other addresses. */
static const struct {
    int errnum;
    enum err_code code;
    const char *words;
    const char *hint;
} meanings[] = {
    { EAFNOSUPPORT, ERR_NO_ROUTE, "this host cannot use such an address",
        "Try the server's address of the other IP version." },
    { EADDRNOTAVAIL, ERR_NO_ROUTE, "no local address can reach it",
        "Check this host's addresses and routes." },
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

/* An index of meanings; -1 for an errno that is not there. */
static int
meaning_of(int errnum)
{
    int i;

    for (i = (int)(sizeof(meanings) / sizeof(meanings[0])) - 1; i >= 0; i--)
        if (meanings[i].errnum == errnum)
            break;
    return i;
}

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

/* An errno, or 0 and *FD connected. */
static int
connect_one(const struct addrinfo *a, int64_t deadline_ms, int *fd)
{
    int s = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
        a->ai_protocol);
    int errnum = 0;

    if (s < 0)
        return errno;
    set_options(s);
    if (connect(s, a->ai_addr, a->ai_addrlen) != 0) {
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
connect_any(const struct addrinfo *list, int64_t deadline_ms, int *fd,
    const struct addrinfo **chosen)
{
    const struct addrinfo *a;
    int errnum = ETIMEDOUT;
    int best = 0;
    int64_t left = 0;

    for (a = list; a != NULL; a = a->ai_next)
        left++;
    for (a = list; a != NULL; a = a->ai_next, left--) {
        int64_t now_ms = clock_mono_ms();

        errnum = connect_one(a, now_ms + (deadline_ms - now_ms) / left, fd);
        if (errnum == 0) {
            *chosen = a;
            return 0;
        }
        if (best == 0 || meaning_of(errnum) > meaning_of(best))
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
admin_tcp_connect(const char *host, uint16_t port, int timeout_ms, int *fd,
    char *address, size_t address_size, struct err *e)
{
    struct addrinfo *list = NULL;
    const struct addrinfo *chosen = NULL;
    char where[320];
    int errnum;
    int m;

    *fd = -1;
    if (address_size > 0)
        address[0] = '\0';
    if (resolve(host, port, &list, e) != 0)
        return -1;
    errnum = connect_any(list, clock_mono_ms() + timeout_ms, fd, &chosen);
    if (errnum == 0 && address_size > 0)
        getnameinfo(chosen->ai_addr, chosen->ai_addrlen, address,
            (socklen_t)address_size, NULL, 0, NI_NUMERICHOST);
    freeaddrinfo(list);
    if (errnum == 0)
        return 0;
    admin_address_format(host, port, where, sizeof(where));
    m = meaning_of(errnum);
    if (m < 0)
        return err_set_errno(e, ERR_UNREACHABLE, errnum,
            "could not connect to %s", where);
    err_set(e, meanings[m].code, "could not connect to %s: %s", where,
        meanings[m].words);
    err_hint(e, "%s", meanings[m].hint);
    return -1;
}

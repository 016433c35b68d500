/*
 * The listening socket.  What is decided here is decided before the peer has
 * got one byte from us.
 */
#include "daemon/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin-proto/ssh_client.h"
#include "base/alloc.h"
#include "base/log.h"
#include "daemon/engine.h"
#include "daemon/first_byte.h"
#include "daemon/gate.h"
#include "daemon/inbound.h"
#include "ipfilter/ruleset.h"

#define BACKLOG 1024
/* One turn of the loop takes so many, that others get theirs. */
#define ACCEPT_BATCH 64
#define PAUSE_MS 100 /* when descriptors have run out */

struct listener {
    struct engine *engine;
    int fd;
    uv_poll_t poll;
    uv_timer_t resume;
    unsigned closing; /* handles that libuv has not closed yet */
    struct first_bytes *waiting;
    char address[320];
};

static void on_readable(uv_poll_t *poll, int status, int events);

static int
parse_address(const char *text, struct sockaddr_storage *sa, socklen_t *len,
    struct err *e)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
    struct addrinfo *found = NULL;
    char service[8];
    char *host = NULL;
    uint16_t port;
    int r = -1;

    /* Port 0 means any free one, which no address to connect to may say. */
    if (strlen(text) > 2 && strcmp(text + strlen(text) - 2, ":0") == 0) {
        char *shortened = alloc_copy(text, strlen(text) - 2);

        if (admin_address_parse(shortened, &host, &port, e) == 0)
            port = 0;
        free(shortened);
    } else {
        admin_address_parse(text, &host, &port, e);
    }
    if (host == NULL)
        goto out;
    snprintf(service, sizeof(service), "%u", (unsigned)port);
    /* A name would be a question to the DNS, which the engine never asks. */
    if (getaddrinfo(host, service, &hints, &found) != 0) {
        err_set(e, ERR_INVALID, "\"%s\" is not an address to listen on", text);
        err_hint(e, "Give an address and a port, as in \"0.0.0.0:14983\" or "
                    "\"[::]:14983\".");
        goto out;
    }
    memcpy(sa, found->ai_addr, found->ai_addrlen);
    *len = found->ai_addrlen;
    r = 0;
out:
    if (found != NULL)
        freeaddrinfo(found);
    free(host);
    return r;
}

int
listener_check_address(const char *address, struct err *e)
{
    struct sockaddr_storage sa;
    socklen_t len;

    return parse_address(address, &sa, &len, e);
}

static bool
is_any6(const struct sockaddr_storage *sa)
{
    return sa->ss_family == AF_INET6 &&
           IN6_IS_ADDR_UNSPECIFIED(
               &((const struct sockaddr_in6 *)sa)->sin6_addr);
}

/* A kernel without IPv6 gets the IPv4 half of "[::]". */
static void
fall_back_to_ipv4(struct sockaddr_storage *sa, socklen_t *len)
{
    in_port_t port = ((struct sockaddr_in6 *)sa)->sin6_port;
    struct sockaddr_in *in = (struct sockaddr_in *)sa;

    memset(sa, 0, sizeof(*sa));
    in->sin_family = AF_INET;
    in->sin_port = port;
    in->sin_addr.s_addr = htonl(INADDR_ANY);
    *len = sizeof(*in);
}

static int
open_socket(struct sockaddr_storage *sa, socklen_t *len)
{
    int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int fd = socket(sa->ss_family, type, 0);

    if (fd == -1 && errno == EAFNOSUPPORT && is_any6(sa)) {
        fall_back_to_ipv4(sa, len);
        fd = socket(sa->ss_family, type, 0);
    }
    return fd;
}

static int
listen_on(struct listener *l, const char *text, struct err *e)
{
    struct sockaddr_storage sa = { 0 };
    socklen_t len;
    int off = 0;
    int on = 1;

    if (parse_address(text, &sa, &len, e) != 0)
        return -1;
    l->fd = open_socket(&sa, &len);
    if (l->fd == -1)
        goto fail;
    if (setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
        goto fail;
    if (is_any6(&sa) &&
        setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0)
        goto fail;
    if (bind(l->fd, (struct sockaddr *)&sa, len) != 0 ||
        listen(l->fd, BACKLOG) != 0)
        goto fail;
    return 0;
fail:
    err_set_errno(e, errno == EADDRINUSE ? ERR_BUSY : ERR_IO, errno,
        "could not listen on \"%s\"", text);
    if (e->code == ERR_BUSY)
        err_hint(e, "Another program uses that port; stop it, or choose "
                    "another with --listen.");
    return -1;
}

/* Where this node reaches itself: a listener on all addresses is spoken to on
 * the loopback one. */
static int
find_address(struct listener *l, struct err *e)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_storage storage;
    } address;
    socklen_t len = sizeof(address);
    struct ip_address ip;
    bool everywhere;
    char host[64];
    in_port_t port;

    memset(&address, 0, sizeof(address));
    if (getsockname(l->fd, &address.any, &len) != 0)
        return err_set_errno(e, ERR_IO, errno, "could not read the address");
    if (address.any.sa_family == AF_INET6) {
        port = address.in6.sin6_port;
        everywhere = IN6_IS_ADDR_UNSPECIFIED(&address.in6.sin6_addr);
    } else {
        port = address.in.sin_port;
        everywhere = address.in.sin_addr.s_addr == INADDR_ANY;
    }
    if (everywhere)
        snprintf(host, sizeof(host), "127.0.0.1");
    else if (ip_address_from_socket(&address.any, &ip))
        ip_address_format(&ip, host);
    else
        return err_set(e, ERR_INTERNAL, "the socket has no address");
    admin_address_format(host, ntohs(port), l->address, sizeof(l->address));
    return 0;
}

static bool
start_session(void *ctx, int fd, const struct sockaddr_storage *peer)
{
    struct listener *l = ctx;

    return inbounds_accept(l->engine->inbounds, fd, peer);
}

static void
note_shed(void *ctx, const struct sockaddr_storage *peer)
{
    const struct listener *l = ctx;
    struct ip_address ip;

    if (ip_address_from_socket((const struct sockaddr *)peer, &ip))
        gate_note_limit(l->engine->gate, &ip, "too many wait at the door");
}

static void
take(struct listener *l, int fd, const struct sockaddr_storage *peer)
{
    const struct sockaddr *sa = (const struct sockaddr *)peer;
    struct ip_address ip;
    int on = 1;

    if (!gate_allows(l->engine->gate, sa)) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    if (ip_address_from_socket(sa, &ip) && gate_knows(l->engine->gate, &ip))
        start_session(l, fd, peer);
    else
        first_bytes_wait(l->waiting, fd, peer);
}

static void
on_resume(uv_timer_t *timer)
{
    struct listener *l = timer->data;

    uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

static void
pause_accepting(struct listener *l, int errnum)
{
    log_warning("could not accept a connection: %s", strerror(errnum));
    uv_poll_stop(&l->poll);
    uv_timer_start(&l->resume, on_resume, PAUSE_MS, 0);
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
    struct listener *l = poll->data;
    int i;

    (void)status;
    (void)events;
    for (i = 0; i < ACCEPT_BATCH; i++) {
        struct sockaddr_storage peer = { 0 };
        socklen_t len = sizeof(peer);
        int fd = accept4(l->fd, (struct sockaddr *)&peer, &len,
            SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0) {
            take(l, fd, &peer);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
            errno == ENOMEM)
            pause_accepting(l, errno);
        /* EAGAIN: all taken; anything else concerns one peer that is gone. */
        if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

int
listener_open(struct listener **listener, struct engine *engine,
    const char *address, struct err *e)
{
    struct listener *l = alloc_zeroed(1, sizeof(*l));

    *listener = NULL;
    l->engine = engine;
    l->fd = -1;
    if (listen_on(l, address, e) != 0 || find_address(l, e) != 0) {
        if (l->fd != -1)
            close(l->fd);
        free(l);
        return -1;
    }
    uv_poll_init(engine->loop, &l->poll, l->fd);
    uv_timer_init(engine->loop, &l->resume);
    l->waiting = first_bytes_new(engine->loop, start_session, note_shed, l);
    l->poll.data = l;
    l->resume.data = l;
    uv_poll_start(&l->poll, UV_READABLE, on_readable);
    *listener = l;
    return 0;
}

static void
on_closed(uv_handle_t *handle)
{
    struct listener *l = handle->data;

    if (--l->closing > 0)
        return;
    close(l->fd);
    free(l);
}

void
listener_close(struct listener *l)
{
    if (l == NULL)
        return;
    first_bytes_free(l->waiting);
    l->closing = 2;
    uv_close((uv_handle_t *)&l->poll, on_closed);
    uv_close((uv_handle_t *)&l->resume, on_closed);
}

const char *
listener_address(const struct listener *listener)
{
    return listener->address;
}

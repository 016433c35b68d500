/*
 * The pusher process: one loop over the engine's channel and the sockets of
 * all links.  Work per turn grows with what is ready, not with what is idle;
 * deadlines are looked at once in a while, all together.
 */
#include "daemon/pusher.h"

#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "daemon/child_parts.h"

#define BUCKETS 4096 /* a power of two */
#define EVENTS_A_TURN 64
#define TICK_MS 250 /* how exact deadlines are */
#define ENGINE_QUEUE_MAX (8u * 1024 * 1024)
#define PASSWORD_MAX 1024
#define USER_MAX 255
#define KEY_MAX 4096
#define USER_TIMEOUT_MS 30000u /* bytes that nobody acknowledges */
#define KEEPALIVE_S 15

struct ipc_channel *pusher_engine;

static struct {
    int epoll;
    struct push_link *buckets[BUCKETS];
    struct push_link *all;
    struct push_link *dead;
    bool ticking;  /* some link may have a deadline */
    bool had_bulk; /* buffers were freed that the heap still holds */
    int64_t next_tick_ms;
    bool over; /* the engine is gone */
} pusher;

static struct push_link **
bucket_of(uint32_t number)
{
    return &pusher.buckets[number & (BUCKETS - 1)];
}

static struct push_link *
find_link(uint32_t number)
{
    struct push_link *l = *bucket_of(number);

    while (l != NULL && l->number != number)
        l = l->next;
    return l;
}

static void
add_link(struct push_link *l)
{
    l->next = *bucket_of(l->number);
    *bucket_of(l->number) = l;
    l->all_next = pusher.all;
    if (pusher.all != NULL)
        pusher.all->all_prev = l;
    pusher.all = l;
}

/* Takes it off the table; its memory stays until the turn ends, because events
 * of this turn may still point to it. */
static void
retire_link(struct push_link *l)
{
    struct push_link **at = bucket_of(l->number);

    if (l->dead)
        return;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    if (l->all_prev != NULL)
        l->all_prev->all_next = l->all_next;
    else
        pusher.all = l->all_next;
    if (l->all_next != NULL)
        l->all_next->all_prev = l->all_prev;
    l->dead = true;
    l->dead_next = pusher.dead;
    pusher.dead = l;
}

/* libssh leaves the copy that it was given open, but for when the connection
 * broke: then it has closed it, and the number may be another link's. */
static void
close_copy(const struct push_link *l)
{
    struct stat ours, its;

    if (l->copy >= 0 && fstat(l->fd, &ours) == 0 && fstat(l->copy, &its) == 0 &&
        ours.st_ino == its.st_ino && ours.st_dev == its.st_dev)
        close(l->copy);
}

static void
link_free(struct push_link *l)
{
    if (l->ssh != NULL) {
        ssh_disconnect(l->ssh);
        ssh_free(l->ssh); /* and with it the channel */
        close_copy(l);
    }
    push_requests_free(l);
    fxp_client_free(l->sftp);
    ssh_key_free(l->key);
    if (l->password != NULL)
        explicit_bzero(l->password, strlen(l->password));
    free(l->password);
    free(l->user);
    free(l->login);
    free(l->pinned);
    (void)epoll_ctl(pusher.epoll, EPOLL_CTL_DEL, l->fd, NULL);
    close(l->fd);
    free(l);
}

static void
free_retired(void)
{
    struct push_link *l;

    while ((l = pusher.dead) != NULL) {
        pusher.dead = l->dead_next;
        link_free(l);
    }
}

static void
tell_failure(uint32_t number, const struct err *e)
{
    struct buf body = BUF_INIT;

    buf_put_string(&body, err_code_name(e->code));
    buf_put_string(&body, e->message);
    buf_put_string(&body, e->hint);
    ipc_send(pusher_engine, IPC_LINK_CLOSED, number, body.data, body.len, -1);
    buf_release(&body);
}

static void
fail_link(struct push_link *l, const struct err *e)
{
    if (l->dead)
        return;
    push_tell_bytes(l, true);
    tell_failure(l->number, e);
    retire_link(l);
}

static void
watch_link(struct push_link *l)
{
    struct epoll_event event = { .data.ptr = l };

    /* Nothing is read while the engine decides; what matters is whether the
     * peer still is there. */
    event.events = EPOLLRDHUP;
    if (l->stage != STAGE_WAIT)
        event.events |= EPOLLIN;
    if (l->stage == STAGE_KEX && l->bytes.out_bytes == 0)
        event.events |= EPOLLOUT;
    if (l->ssh != NULL && (ssh_get_status(l->ssh) & SSH_WRITE_PENDING) != 0)
        event.events |= EPOLLOUT;
    if (event.events == l->events)
        return;
    l->events = event.events;
    (void)epoll_ctl(pusher.epoll, EPOLL_CTL_MOD, l->fd, &event);
}

static void
run_link(struct push_link *l, uint32_t events)
{
    struct err e = ERR_INIT;
    int r;

    if (l->dead)
        return;
    if (l->stage == STAGE_WAIT &&
        (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        r = push_fail_connection(l, &e);
    else if (l->stage == STAGE_READY)
        r = push_stream(l, &e);
    else
        r = push_handshake(l, &e);
    if (r != 0)
        fail_link(l, &e);
    else
        watch_link(l);
}

static void
set_socket_options(int fd)
{
    const int on = 1;
    const int keepalive_s = KEEPALIVE_S;
    const unsigned user_timeout_ms = USER_TIMEOUT_MS;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &keepalive_s,
        sizeof(keepalive_s));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &keepalive_s,
        sizeof(keepalive_s));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms,
        sizeof(user_timeout_ms));
}

static bool
read_start(struct push_link *l, struct ipc_message *m)
{
    struct reader r = reader_over(m->body, m->body_len);
    const uint8_t *login, *pinned;
    uint8_t mode = reader_u8(&r);
    uint32_t timeout_ms;

    l->mode = (enum link_mode)mode;
    l->user = reader_string(&r, USER_MAX);
    l->password = reader_string(&r, PASSWORD_MAX);
    login = reader_bytes(&r, KEY_MAX, &l->login_len);
    pinned = reader_bytes(&r, KEY_MAX, &l->pinned_len);
    timeout_ms = reader_u32(&r);
    if (!reader_done(&r) || mode > LINK_KEY)
        return false;
    if (l->login_len > 0)
        l->login = alloc_copy(login, l->login_len);
    if (l->pinned_len > 0)
        l->pinned = alloc_copy(pinned, l->pinned_len);
    l->deadline_ms = clock_mono_ms() + timeout_ms;
    return true;
}

static void
take_start(struct ipc_message *m)
{
    struct push_link *l;
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP };
    struct err e = ERR_INIT;
    bool ok;

    if (m->fd < 0 || find_link(m->tag) != NULL) {
        err_set(&e, ERR_INTERNAL, "the pusher was given no connection");
        tell_failure(m->tag, &e);
        if (m->fd >= 0)
            close(m->fd);
        return;
    }
    l = alloc_zeroed(1, sizeof(*l));
    l->number = m->tag;
    l->fd = m->fd;
    l->copy = -1;
    add_link(l);
    ok = read_start(l, m);
    set_socket_options(l->fd);
    event.data.ptr = l;
    l->events = event.events;
    if (!ok || epoll_ctl(pusher.epoll, EPOLL_CTL_ADD, l->fd, &event) != 0) {
        err_set(&e, ERR_INTERNAL, "the pusher cannot start a link");
        fail_link(l, &e);
        return;
    }
    run_link(l, 0);
}

static void
take_proceed(struct ipc_message *m)
{
    struct push_link *l = find_link(m->tag);
    struct err e = ERR_INIT;

    if (l == NULL)
        return;
    if (!push_proceed(l, m->body, m->body_len)) {
        err_set(&e, ERR_INTERNAL, "the pusher was given no login");
        fail_link(l, &e);
        return;
    }
    run_link(l, 0);
}

static void
take_stop(struct ipc_message *m)
{
    struct push_link *l = find_link(m->tag);

    if (l != NULL)
        retire_link(l);
}

static void
take_request(struct ipc_message *m)
{
    struct push_link *l = find_link(m->tag);
    struct err e = ERR_INIT;

    if (l == NULL)
        return;
    if (push_request(l, m->body, m->body_len, &e) != 0)
        fail_link(l, &e);
    else
        watch_link(l);
}

static const struct {
    uint8_t type;
    void (*take)(struct ipc_message *m);
} messages[] = {
    { IPC_LINK_REQUEST, take_request },
    { IPC_LINK_START, take_start },
    { IPC_LINK_PROCEED, take_proceed },
    { IPC_LINK_STOP, take_stop },
};

static bool
take_message(void *ctx, struct ipc_message *m)
{
    (void)ctx;
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
        if (messages[i].type == m->type) {
            messages[i].take(m);
            return true;
        }
    pusher.over = true; /* the engine never says such a thing */
    return false;
}

/* While every link is idle nothing has a deadline, and nothing wakes us. */
static void
check_deadlines(int64_t now)
{
    struct push_link *l = pusher.all;

    pusher.ticking = false;
    pusher.next_tick_ms = now + TICK_MS;
    while (l != NULL) {
        struct push_link *next = l->all_next;
        struct err e = ERR_INIT;

        pusher.had_bulk |= push_forget_bulk(l);
        if (l->deadline_ms != 0 && now >= l->deadline_ms)
            (void)push_fail_timeout(l, &e);
        else
            (void)push_check_progress(l, now, &e);
        if (e.code != ERR_NONE)
            fail_link(l, &e);
        else if (l->deadline_ms != 0 || l->pending > 0)
            pusher.ticking = true;
        l = next;
    }
    /* Once nothing is under way, what the bulk left goes back. */
    if (pusher.had_bulk && !pusher.ticking) {
        pusher.had_bulk = false;
        (void)malloc_trim(0);
    }
}

static void
start_ticking(void)
{
    if (pusher.ticking)
        return;
    pusher.ticking = true;
    pusher.next_tick_ms = clock_mono_ms() + TICK_MS;
}

static void
serve_engine(void)
{
    struct err e = ERR_INIT;

    start_ticking();
    if (ipc_flush(pusher_engine, &e) != 0 ||
        ipc_receive(pusher_engine, take_message, NULL, &e) != 0)
        pusher.over = true;
}

/* Links are not read while the engine is behind with what they said. */
static bool
engine_is_behind(void)
{
    struct pollfd p = { .fd = CHILD_CHANNEL_FD, .events = POLLIN | POLLOUT };

    if (ipc_queued(pusher_engine) <= ENGINE_QUEUE_MAX)
        return false;
    (void)poll(&p, 1, TICK_MS);
    serve_engine();
    return true;
}

static void
watch_engine(bool first)
{
    static uint32_t watched;
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

    if (ipc_wants_write(pusher_engine))
        event.events |= EPOLLOUT;
    if (!first && event.events == watched)
        return;
    watched = event.events;
    (void)epoll_ctl(pusher.epoll, first ? EPOLL_CTL_ADD : EPOLL_CTL_MOD,
        CHILD_CHANNEL_FD, &event);
}

static void
turn(void)
{
    struct epoll_event events[EVENTS_A_TURN];
    int n, timeout = -1;

    if (engine_is_behind())
        return;
    watch_engine(false);
    if (pusher.ticking) {
        int64_t left = pusher.next_tick_ms - clock_mono_ms();

        timeout = left > 0 ? (int)left : 0;
    }
    n = epoll_wait(pusher.epoll, events, EVENTS_A_TURN, timeout);
    for (int i = 0; i < n && !pusher.over; i++) {
        if (events[i].data.ptr == NULL)
            serve_engine();
        else
            run_link(events[i].data.ptr, events[i].events);
    }
}

int
pusher_main(void)
{
    pusher_engine = ipc_channel_new(CHILD_CHANNEL_FD);
    pusher.epoll = epoll_create1(EPOLL_CLOEXEC);
    push_set_hooks();
    watch_engine(true);
    while (!pusher.over) {
        int64_t now;

        turn();
        now = clock_mono_ms();
        if (pusher.ticking && now >= pusher.next_tick_ms)
            check_deadlines(now);
        free_retired();
    }
    while (pusher.all != NULL)
        retire_link(pusher.all);
    free_retired();
    close(pusher.epoll);
    ipc_channel_free(pusher_engine);
    return 0;
}

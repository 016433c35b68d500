/*
 * Connections in the order in which they came, one timer for the oldest.
 */
#include "daemon/first_byte.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

struct waiter {
    struct first_bytes *waiting;
    struct waiter *newer;
    struct waiter *older;
    uv_poll_t poll;
    int fd;
    struct sockaddr_storage peer;
    int64_t until_ms;
};

struct first_bytes {
    void (*ready)(void *ctx, int fd, const struct sockaddr_storage *peer);
    void *ctx;
    uv_loop_t *loop;
    uv_timer_t *timer;
    struct waiter *newest;
    struct waiter *oldest;
    size_t count;
};

static void on_timer(uv_timer_t *timer);

static void
free_timer(uv_handle_t *handle)
{
    free(handle);
}

static void
free_waiter(uv_handle_t *handle)
{
    free(handle->data);
}

struct first_bytes *
first_bytes_new(uv_loop_t *loop,
    void (*ready)(void *ctx, int fd, const struct sockaddr_storage *peer),
    void *ctx)
{
    struct first_bytes *w = alloc_zeroed(1, sizeof(*w));

    w->ready = ready;
    w->ctx = ctx;
    w->loop = loop;
    w->timer = alloc_zeroed(1, sizeof(*w->timer));
    uv_timer_init(loop, w->timer);
    w->timer->data = w;
    return w;
}

static void
set_timer(struct first_bytes *w)
{
    int64_t left;

    if (w->oldest == NULL) {
        uv_timer_stop(w->timer);
        return;
    }
    left = w->oldest->until_ms - clock_mono_ms();
    uv_update_time(w->loop);
    uv_timer_start(w->timer, on_timer, left > 0 ? (uint64_t)left : 0, 0);
}

/* Takes it out of the list and gives its descriptor back. */
static int
leave(struct waiter *one)
{
    struct first_bytes *w = one->waiting;
    int fd = one->fd;

    *(one->newer != NULL ? &one->newer->older : &w->newest) = one->older;
    *(one->older != NULL ? &one->older->newer : &w->oldest) = one->newer;
    w->count--;
    uv_poll_stop(&one->poll);
    uv_close((uv_handle_t *)&one->poll, free_waiter);
    return fd;
}

static void
go_on(struct waiter *one)
{
    struct first_bytes *w = one->waiting;
    struct sockaddr_storage peer = one->peer;
    int fd = leave(one);

    set_timer(w);
    w->ready(w->ctx, fd, &peer);
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
    struct waiter *one = poll->data;
    char byte;
    ssize_t n = recv(one->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    (void)events;
    if (n < 0 && status == 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        go_on(one);
    } else {
        struct first_bytes *w = one->waiting;

        close(leave(one));
        set_timer(w);
    }
}

static void
on_timer(uv_timer_t *timer)
{
    struct first_bytes *w = timer->data;
    int64_t now = clock_mono_ms();

    while (w->oldest != NULL && w->oldest->until_ms <= now)
        go_on(w->oldest);
    set_timer(w);
}

void
first_bytes_free(struct first_bytes *w)
{
    if (w == NULL)
        return;
    while (w->oldest != NULL)
        close(leave(w->oldest));
    uv_close((uv_handle_t *)w->timer, free_timer);
    free(w);
}

void
first_bytes_wait(struct first_bytes *w, int fd,
    const struct sockaddr_storage *peer)
{
    struct waiter *one;

    if (w->count == FIRST_BYTE_MAX)
        go_on(w->oldest);
    one = alloc_zeroed(1, sizeof(*one));
    if (uv_poll_init(w->loop, &one->poll, fd) != 0) {
        free(one);
        close(fd);
        return;
    }
    one->waiting = w;
    one->fd = fd;
    one->peer = *peer;
    one->until_ms = clock_mono_ms() + FIRST_BYTE_MS;
    one->poll.data = one;
    one->older = w->newest;
    *(one->older != NULL ? &one->older->newer : &w->oldest) = one;
    w->newest = one;
    w->count++;
    uv_poll_start(&one->poll, UV_READABLE, on_readable);
    if (w->oldest == one)
        set_timer(w);
}

/*
 * Connections in the order in which they came, one timer for the oldest; those
 * that are due go on in the order in which they became so.
 */
#include "daemon/first_byte.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

struct queue {
    struct waiter *newest;
    struct waiter *oldest;
};

struct waiter {
    struct first_bytes *waiting;
    struct queue *queue; /* that it stands in */
    struct waiter *newer;
    struct waiter *older;
    uv_poll_t poll;
    int fd;
    struct sockaddr_storage peer;
    int64_t until_ms;
};

struct first_bytes {
    first_byte_fn ready;
    void (*shed)(void *ctx, const struct sockaddr_storage *peer);
    void *ctx;
    uv_loop_t *loop;
    uv_timer_t *timer;
    struct queue silent;
    struct queue due; /* no longer watched */
    size_t count;     /* of both */
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
first_bytes_new(uv_loop_t *loop, first_byte_fn ready,
    void (*shed)(void *ctx, const struct sockaddr_storage *peer), void *ctx)
{
    struct first_bytes *w = alloc_zeroed(1, sizeof(*w));

    w->ready = ready;
    w->shed = shed;
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
    /* Never 0: libuv would call back in the same turn. */
    int64_t left_ms = 1;

    if (w->due.oldest == NULL && w->silent.oldest == NULL) {
        uv_timer_stop(w->timer);
        return;
    }
    if (w->due.oldest == NULL)
        left_ms = w->silent.oldest->until_ms - clock_mono_ms();
    uv_update_time(w->loop);
    uv_timer_start(w->timer, on_timer, left_ms > 0 ? (uint64_t)left_ms : 1, 0);
}

static void
enter(struct waiter *one, struct queue *queue)
{
    one->queue = queue;
    one->newer = NULL;
    one->older = queue->newest;
    *(one->older != NULL ? &one->older->newer : &queue->oldest) = one;
    queue->newest = one;
}

static void
leave_queue(struct waiter *one)
{
    struct queue *queue = one->queue;

    *(one->newer != NULL ? &one->newer->older : &queue->newest) = one->older;
    *(one->older != NULL ? &one->older->newer : &queue->oldest) = one->newer;
}

/* Gives its descriptor back. */
static int
leave(struct waiter *one)
{
    int fd = one->fd;

    leave_queue(one);
    one->waiting->count--;
    uv_poll_stop(&one->poll);
    uv_close((uv_handle_t *)&one->poll, free_waiter);
    return fd;
}

static void
become_due(struct waiter *one)
{
    uv_poll_stop(&one->poll);
    leave_queue(one);
    enter(one, &one->waiting->due);
}

static bool
go_on(struct waiter *one)
{
    struct first_bytes *w = one->waiting;
    struct sockaddr_storage peer = one->peer;
    int fd = leave(one);

    return w->ready(w->ctx, fd, &peer);
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
    struct waiter *one = poll->data;
    struct first_bytes *w = one->waiting;
    char byte;
    ssize_t n = recv(one->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    (void)events;
    if (n < 0 && status == 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        become_due(one);
    else
        close(leave(one));
    set_timer(w);
}

static void
on_timer(uv_timer_t *timer)
{
    struct first_bytes *w = timer->data;
    int64_t now = clock_mono_ms();

    while (w->silent.oldest != NULL && w->silent.oldest->until_ms <= now)
        become_due(w->silent.oldest);
    /* Who is refused costs nothing. */
    while (w->due.oldest != NULL && !go_on(w->due.oldest))
        ;
    set_timer(w);
}

void
first_bytes_free(struct first_bytes *w)
{
    if (w == NULL)
        return;
    while (w->silent.oldest != NULL)
        close(leave(w->silent.oldest));
    while (w->due.oldest != NULL)
        close(leave(w->due.oldest));
    uv_close((uv_handle_t *)w->timer, free_timer);
    free(w);
}

static void
make_room(struct first_bytes *w)
{
    struct waiter *one =
        w->silent.oldest != NULL ? w->silent.oldest : w->due.oldest;

    w->shed(w->ctx, &one->peer);
    close(leave(one));
}

void
first_bytes_wait(struct first_bytes *w, int fd,
    const struct sockaddr_storage *peer)
{
    struct waiter *one;

    if (w->count == FIRST_BYTE_MAX)
        make_room(w);
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
    enter(one, &w->silent);
    w->count++;
    uv_poll_start(&one->poll, UV_READABLE, on_readable);
    if (w->count == 1)
        set_timer(w);
}

/*
 * What children say, on their channel and on standard error, and their end.
 */
#include "daemon/child_watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/child_parts.h"
#include "daemon/sandbox.h"

#define LINES_MAX 500    /* then a child is not heard any more */
#define END_WAIT_MS 5000 /* from closing its channel to its end */

void
child_kill(const struct child *c)
{
    (void)syscall(SYS_pidfd_send_signal, c->exit_fd, SIGKILL, NULL, 0u);
}

/* The last line of one that the kernel is about to end says for what. */
static void
note_forbidden(struct child *c)
{
    const size_t len = strlen(SANDBOX_FORBIDDEN);
    char number[16] = "";

    c->forbidden = -1;
    if (c->line_len <= len || c->line_len - len >= sizeof(number) ||
        memcmp(c->line, SANDBOX_FORBIDDEN, len) != 0)
        return;
    memcpy(number, c->line + len, c->line_len - len);
    c->forbidden = strtol(number, NULL, 10);
}

static void
log_line(struct child *c)
{
    c->lines++;
    if (c->line_len > 0)
        note_forbidden(c);
    if (c->line_len > 0 && c->lines < LINES_MAX)
        log_info("%s %d: %.*s", child_part_name(c->part), (int)c->pid,
            (int)c->line_len, c->line);
    else if (c->lines == LINES_MAX)
        log_warning("%s %d says too much, not logged any more",
            child_part_name(c->part), (int)c->pid);
    c->line_len = 0;
}

static void
take_line_bytes(struct child *c, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n' || c->line_len == sizeof(c->line))
            log_line(c);
        if (text[i] != '\n')
            c->line[c->line_len++] = text[i];
    }
}

static void
on_lines(uv_poll_t *poll, int status, int events)
{
    struct child *c = poll->data;
    char text[4096];
    ssize_t n = read(c->lines_fd, text, sizeof(text));

    (void)status;
    (void)events;
    if (n > 0)
        take_line_bytes(c, text, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        uv_poll_stop(poll);
}

static void
on_handle_closed(uv_handle_t *handle)
{
    struct child *c = handle->data;

    if (--c->handles > 0)
        return;
    /* Only now: libuv must not watch a descriptor that is closed. */
    ipc_channel_free(c->channel);
    close(c->exit_fd);
    close(c->lines_fd);
    free(c);
}

static bool
take_message(void *ctx, struct ipc_message *m)
{
    struct child *c = ctx;

    if (c->stopped) {
        if (m->fd >= 0)
            close(m->fd);
        return false;
    }
    return c->callbacks.message(c->ctx, m) && !c->stopped;
}

static void
describe_forbidden(const struct child *c, char *out, size_t size)
{
    const char *name =
        c->forbidden >= 0 ? sandbox_call_name(c->forbidden) : NULL;

    if (name != NULL)
        snprintf(out, size, "killed for a forbidden system call (%s)", name);
    else if (c->forbidden >= 0)
        snprintf(out, size, "killed for a forbidden system call (number %ld)",
            c->forbidden);
    else
        snprintf(out, size, "killed for a forbidden system call");
}

static void
describe_end(const struct child *c, int status, char *out, size_t size)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        describe_forbidden(c, out, size);
    else if (WIFEXITED(status))
        snprintf(out, size, "exit status %d", WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        snprintf(out, size, "killed by signal %d (%s)", WTERMSIG(status),
            strsignal(WTERMSIG(status)));
    else
        snprintf(out, size, "ended");
}

/* Messages and lines that came before the end count as said. */
static void
hear_last_words(struct child *c)
{
    struct err ignored = ERR_INIT;
    struct pollfd p = { .fd = c->lines_fd, .events = POLLIN };

    while (!c->stopped && !c->channel_over &&
           ipc_receive(c->channel, take_message, c, &ignored) == 0) {
        struct pollfd more = { .fd = ipc_channel_fd(c->channel),
            .events = POLLIN };

        if (poll(&more, 1, 0) <= 0)
            break;
    }
    while (poll(&p, 1, 0) > 0 && uv_is_active((uv_handle_t *)&c->lines_poll))
        on_lines(&c->lines_poll, 0, 0);
    if (c->line_len > 0)
        log_line(c);
}

static void
on_exit_readable(uv_poll_t *poll, int poll_status, int events)
{
    struct child *c = poll->data;
    char how[80];
    int status = 0;
    bool crashed;
    pid_t pid = waitpid(c->pid, &status, WNOHANG);

    (void)poll_status;
    (void)events;
    if (pid == 0 || (pid < 0 && errno == EINTR))
        return;
    uv_poll_stop(poll);
    hear_last_words(c);
    describe_end(c, status, how, sizeof(how));
    crashed = !c->stopped && !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    c->callbacks.ended(c->ctx, crashed, how);
    c->stopped = true;
    c->pid = -1;
    uv_close((uv_handle_t *)&c->channel_poll, on_handle_closed);
    uv_close((uv_handle_t *)&c->exit_poll, on_handle_closed);
    uv_close((uv_handle_t *)&c->lines_poll, on_handle_closed);
    uv_close((uv_handle_t *)&c->end_timer, on_handle_closed);
}

static void
on_end_timer(uv_timer_t *timer)
{
    child_kill(timer->data);
}

/* The channel is over before the process: it is ending, or is made to. */
static void
channel_over(struct child *c)
{
    if (c->channel_over)
        return;
    c->channel_over = true;
    uv_poll_stop(&c->channel_poll);
    uv_timer_start(&c->end_timer, on_end_timer, END_WAIT_MS, 0);
}

static void on_channel(uv_poll_t *poll, int status, int events);

static void
watch_channel(struct child *c)
{
    int events = UV_READABLE;

    if (c->stopped || c->channel_over)
        return;
    if (ipc_wants_write(c->channel))
        events |= UV_WRITABLE;
    uv_poll_start(&c->channel_poll, events, on_channel);
}

static void
on_channel(uv_poll_t *poll, int status, int events)
{
    struct child *c = poll->data;
    struct err e = ERR_INIT;

    if ((events & UV_WRITABLE) != 0 || status < 0)
        (void)ipc_flush(c->channel, &e);
    if (((events & UV_READABLE) != 0 || status < 0) &&
        ipc_receive(c->channel, take_message, c, &e) != 0) {
        if (e.code != ERR_CLOSED) {
            log_warning("%s %d: %s", child_part_name(c->part), (int)c->pid,
                e.message);
            child_kill(c);
        }
        channel_over(c);
    }
    watch_channel(c);
}

void
child_send(struct child *c, uint8_t type, uint32_t tag, const struct buf *body,
    int fd)
{
    bool waited;

    if (c->stopped || c->channel_over) {
        if (fd >= 0)
            close(fd);
        return;
    }
    waited = ipc_wants_write(c->channel);
    ipc_send(c->channel, type, tag, body != NULL ? body->data : NULL,
        body != NULL ? body->len : 0, fd);
    if (!waited && ipc_wants_write(c->channel))
        watch_channel(c);
}

size_t
child_queued(const struct child *c)
{
    return ipc_queued(c->channel);
}

void
child_set_deadline(struct child *c, int64_t left_ms)
{
    if (c->stopped || c->channel_over)
        return;
    uv_update_time(c->end_timer.loop);
    if (left_ms > 0)
        uv_timer_start(&c->end_timer, on_end_timer, (uint64_t)left_ms, 0);
    else
        uv_timer_stop(&c->end_timer);
}

void
child_expect_end(struct child *c)
{
    child_set_deadline(c, END_WAIT_MS);
}

void
child_stop(struct child *c)
{
    if (c->stopped)
        return;
    c->stopped = true;
    uv_poll_stop(&c->channel_poll);
    child_kill(c);
}

int
child_pid(const struct child *c)
{
    return (int)c->pid;
}

void
child_watch(struct child *c, uv_loop_t *loop)
{
    uv_poll_init(loop, &c->channel_poll, ipc_channel_fd(c->channel));
    uv_poll_init(loop, &c->exit_poll, c->exit_fd);
    uv_poll_init(loop, &c->lines_poll, c->lines_fd);
    uv_timer_init(loop, &c->end_timer);
    c->handles = 4;
    c->forbidden = -1;
    c->channel_poll.data = c;
    c->exit_poll.data = c;
    c->lines_poll.data = c;
    c->end_timer.data = c;
    uv_poll_start(&c->exit_poll, UV_READABLE, on_exit_readable);
    uv_poll_start(&c->lines_poll, UV_READABLE, on_lines);
    watch_channel(c);
}

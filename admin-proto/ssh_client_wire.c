/* Bytes between the SFTP half and the SSH channel, and waiting for replies. */
#include "admin-proto/ssh_client_wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"

int
wire_wait(struct admin_client *c, int64_t deadline_ms, struct err *e)
{
    struct pollfd p = { .fd = c->fd, .events = POLLIN };
    int64_t left_ms;
    int n;

    if (ssh_get_poll_flags(c->session) & SSH_WRITE_PENDING)
        p.events |= POLLOUT;
    do {
        left_ms = deadline_ms - clock_mono_ms();
        if (left_ms <= 0)
            return err_set(e, ERR_TIMEOUT, "%s does not answer any more",
                c->where);
        n = poll(&p, 1, (int)left_ms);
    } while (n == 0 || (n < 0 && errno == EINTR));
    if (n < 0)
        return err_set_errno(e, ERR_IO, errno, "could not wait for %s",
            c->where);
    return 0;
}

static int
fail_lost(struct admin_client *c, struct err *e)
{
    err_set(e, ERR_UNREACHABLE, "%s ended the connection", c->where);
    err_hint(e, "Try again; if it stays, look at the log of that node.");
    return -1;
}

static int
send_output(struct admin_client *c, struct err *e)
{
    struct buf *out = fxp_client_output(c->sftp);
    uint32_t len;
    int n;

    while (out->len > 0) {
        len = out->len < WIRE_INPUT_SIZE ? (uint32_t)out->len : WIRE_INPUT_SIZE;
        n = ssh_channel_write(c->channel, out->data, len);
        if (n == SSH_AGAIN || n == 0)
            break; /* the window is full */
        if (n < 0)
            return fail_lost(c, e);
        buf_consume(out, (size_t)n);
    }
    return 0;
}

/* 1: something came; 0: nothing yet. */
static int
take_input(struct admin_client *c, struct err *e)
{
    int n =
        ssh_channel_read_timeout(c->channel, c->input, WIRE_INPUT_SIZE, 0, 0);

    if (n > 0)
        return fxp_client_feed(c->sftp, c->input, (size_t)n, e) != 0 ? -1 : 1;
    if ((n < 0 && n != SSH_AGAIN) || ssh_channel_is_eof(c->channel) ||
        ssh_channel_is_closed(c->channel) || !ssh_is_connected(c->session))
        return fail_lost(c, e);
    return 0;
}

static int
run(struct admin_client *c, bool (*is_done)(const void *what), const void *what,
    int silence_ms, struct err *e)
{
    int64_t deadline_ms = clock_mono_ms() + silence_ms;
    int n;

    if (c->broken)
        return fail_lost(c, e);
    while (!is_done(what)) {
        if (send_output(c, e) != 0)
            goto broken;
        n = take_input(c, e);
        if (n < 0 || (n == 0 && wire_wait(c, deadline_ms, e) != 0))
            goto broken;
        if (n > 0)
            deadline_ms = clock_mono_ms() + silence_ms;
    }
    return 0;
broken:
    c->broken = true;
    return -1;
}

static bool
flag_is_set(const void *what)
{
    return *(const bool *)what;
}

int
wire_run(struct admin_client *c, const bool *done, int silence_ms,
    struct err *e)
{
    return run(c, flag_is_set, done, silence_ms, e);
}

static bool
nothing_is_pending(const void *what)
{
    return fxp_client_pending(what) == 0;
}

int
wire_drain(struct admin_client *c, struct err *e)
{
    return run(c, nothing_is_pending, c->sftp, c->timeout_ms, e);
}

void
wire_note_reply(void *ctx, const struct fxp_packet *p)
{
    struct wire_reply *reply = ctx;

    reply->done = true;
    reply->eof = p->type == SFTP_STATUS && p->status == SFTP_EOF;
    reply->result = fxp_status_error(p, &reply->error);
    reply->attrs = p->attrs;
    reply->data_len = p->data_len;
    if (p->type == SFTP_HANDLE) {
        memcpy(reply->handle, p->handle, p->handle_len);
        reply->handle_len = p->handle_len;
    }
    if (p->type == SFTP_DATA && reply->data != NULL)
        buf_put(reply->data, p->data, p->data_len);
}

int
wire_await(struct admin_client *c, struct wire_reply *reply, int silence_ms,
    struct err *e)
{
    if (wire_run(c, &reply->done, silence_ms, e) != 0)
        return -1;
    if (reply->result != 0)
        *e = reply->error;
    return reply->result;
}

int
wire_open(struct admin_client *c, const char *path, uint32_t flags,
    struct wire_reply *reply, struct err *e)
{
    *reply = (struct wire_reply){ .done = false };
    if (c->sftp == NULL)
        return err_set(e, ERR_INTERNAL, "the connection has no login");
    fxp_client_open(c->sftp, path, flags, wire_note_reply, reply);
    if (wire_await(c, reply, c->timeout_ms, e) != 0)
        return err_wrap(e, "could not open \"%s\"", path);
    return 0;
}

void
wire_open_later(struct admin_client *c, const char *path, uint32_t flags,
    struct wire_reply *reply)
{
    struct err ignored = ERR_INIT;

    *reply = (struct wire_reply){ .done = false };
    fxp_client_open(c->sftp, path, flags, wire_note_reply, reply);
    if (send_output(c, &ignored) != 0)
        c->broken = true;
}

int
wire_close(struct admin_client *c, const struct wire_reply *handle,
    struct err *e)
{
    struct wire_reply reply = { .done = false };

    if (c->broken)
        return fail_lost(c, e);
    fxp_client_close(c->sftp, handle->handle, handle->handle_len,
        wire_note_reply, &reply);
    return wire_await(c, &reply, c->timeout_ms, e);
}

static void
pass_over(void *ctx, const struct fxp_packet *p)
{
    (void)ctx;
    (void)p;
}

void
wire_close_later(struct admin_client *c, const struct wire_reply *handle)
{
    struct err ignored = ERR_INIT;

    fxp_client_close(c->sftp, handle->handle, handle->handle_len, pass_over,
        NULL);
    if (send_output(c, &ignored) != 0)
        c->broken = true;
}

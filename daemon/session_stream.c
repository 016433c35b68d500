/*
 * Bytes between the SSH channel and the SFTP server, both ways, never waiting.
 *
 * libssh grants the client 1.28 MB at most unless a read asks for more, and
 * every grant is a packet; so one read in many asks for the whole window, and
 * a client that sends little never causes a second grant.
 */
#include "daemon/session.h"

#define WINDOW_SIZE (4u * 1024 * 1024)
#define GROW_AFTER (1024u * 1024) /* bytes read until the next grant */
#define READ_SIZE (32u * 1024)    /* below libssh's first window */
#define WRITE_SIZE (64u * 1024)   /* bounds what libssh holds for a peer */

static uint8_t input[WINDOW_SIZE]; /* pages are only used as they are filled */

bool
session_stream_is_full(struct session *s)
{
    return fxp_server_pending(s->sftp) >= 64 ||
           fxp_server_output(s->sftp)->len - s->output_sent >
               SESSION_QUEUE_MAX ||
           ipc_queued(s->engine) > SESSION_QUEUE_MAX;
}

bool
session_stream_is_sent(struct session *s)
{
    return fxp_server_output(s->sftp)->len == s->output_sent &&
           (ssh_get_status(s->ssh) & SSH_WRITE_PENDING) == 0;
}

bool
session_stream_is_drained(struct session *s)
{
    return fxp_server_pending(s->sftp) == 0 && s->input_at == s->input_len &&
           session_stream_is_sent(s);
}

/* Reads once from the channel; false when nothing was there. */
static bool
read_channel(struct session *s, struct err *e, bool *failed)
{
    uint32_t count = s->since_growth >= GROW_AFTER ? WINDOW_SIZE : READ_SIZE;
    int n;

    n = ssh_channel_read_timeout(s->channel, input, count, 0, 0);
    if (n == SSH_ERROR) {
        *failed = true;
        err_set(e, ERR_CLOSED, "the connection broke");
        return false;
    }
    if (count == WINDOW_SIZE)
        s->since_growth = 0;
    if (n <= 0) {
        if (ssh_channel_is_eof(s->channel))
            s->input_ended = true;
        return false;
    }
    s->since_growth += (size_t)n;
    s->input_at = 0;
    s->input_len = (size_t)n;
    return true;
}

static int
take_input(struct session *s, struct err *e, bool *moved)
{
    bool failed = false;

    while (!session_stream_is_full(s)) {
        size_t at = s->input_at;

        if (at == s->input_len) {
            if (s->input_ended || !read_channel(s, e, &failed))
                break;
            at = s->input_at;
        }
        s->input_at = s->input_len;
        *moved = true;
        if (fxp_server_feed(s->sftp, input + at, s->input_len - at, e) != 0)
            return -1;
    }
    return failed ? -1 : 0;
}

static int
send_output(struct session *s, struct err *e, bool *moved)
{
    for (;;) {
        struct buf *out = fxp_server_output(s->sftp);
        size_t len = out->len - s->output_sent;
        uint32_t window = ssh_channel_window_size(s->channel);
        int n;

        if (len == 0 || window == 0 ||
            (ssh_get_status(s->ssh) & SSH_WRITE_PENDING) != 0)
            return 0;
        if (len > WRITE_SIZE)
            len = WRITE_SIZE;
        if (len > window)
            len = window;
        n = ssh_channel_write(s->channel, out->data + s->output_sent,
            (uint32_t)len);
        if (n < 0)
            return err_set(e, ERR_CLOSED, "the connection broke");
        if (n == 0)
            return 0;
        *moved = true;
        s->output_sent += (size_t)n;
        /* Moving the rest down costs its length: not for every packet. */
        if (s->output_sent == out->len || s->output_sent > out->len / 2) {
            buf_consume(out, s->output_sent);
            s->output_sent = 0;
        }
    }
}

int
session_stream(struct session *s, struct err *e)
{
    bool moved;

    do {
        moved = false;
        if (take_input(s, e, &moved) != 0 || send_output(s, e, &moved) != 0)
            return -1;
    } while (moved && ssh_is_connected(s->ssh));
    return 0;
}

/*
 * A ready link: the engine's requests become SFTP packets, the replies become
 * messages, and bytes flow both ways as far as the peer takes them.
 */
#include "daemon/pusher.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

#define WINDOW_SIZE (4u * 1024 * 1024) /* what a bulk sender is granted */
#define GROW_AFTER (1024u * 1024)
#define READ_SIZE (32u * 1024) /* below libssh's first window */
/* libssh keeps two buffers as large as the largest packet, rounded up to a
 * power of two, for as long as a link lives: 8 KiB each, with its frame, or 16
 * where a bulk was long enough for half as many ciphers and system calls to
 * matter. */
#define WRITE_SMALL (8u * 1024 - 64)
#define WRITE_LARGE (16u * 1024 - 64)
#define LONG_BULK (8u * 1024 * 1024)
#define BULK_PAUSE_MS 1000 /* ends a bulk */
#define IDLE_CAPACITY 4096 /* of our own output, once all is answered */
#define BYTES_EVERY_MS 1000
#define REPLY_MS 30000
#define WRITE_REPLY_MS (15 * 60 * 1000) /* an overwrite's last frame */

struct push_request {
    struct push_request *next;
    struct push_request **link_to; /* what points here */
    struct push_link *link;
    uint32_t request;
    bool is_write;
};

static uint8_t input[WINDOW_SIZE]; /* shared: emptied by every read */

void
push_send(const struct push_link *l, uint8_t type, const struct buf *body)
{
    ipc_send(pusher_engine, type, l->number, body->data, body->len, -1);
}

void
push_tell_bytes(struct push_link *l, bool force)
{
    int64_t now = clock_mono_ms();
    struct buf body = BUF_INIT;

    if (!force && now - l->bytes_told_ms < BYTES_EVERY_MS)
        return;
    l->bytes_told_ms = now;
    buf_put_u64(&body, l->bytes.out_bytes);
    buf_put_u64(&body, l->bytes.in_bytes);
    push_send(l, IPC_LINK_BYTES, &body);
    buf_release(&body);
}

/* Between the frames of one bulk everything may be answered for a moment. */
static void
begin_requests(struct push_link *l, int64_t now_ms)
{
    if (now_ms - l->progress_ms >= BULK_PAUSE_MS)
        l->bulk_sent = 0;
    l->progress_ms = now_ms;
}

static struct push_request *
request_new(struct push_link *l, uint32_t number, bool is_write)
{
    struct push_request *q = alloc_zeroed(1, sizeof(*q));

    q->link = l;
    q->request = number;
    q->is_write = is_write;
    q->next = l->requests;
    q->link_to = &l->requests;
    if (q->next != NULL)
        q->next->link_to = &q->next;
    l->requests = q;
    if (l->pending == 0)
        begin_requests(l, clock_mono_ms());
    l->pending++;
    l->pending_writes += is_write;
    return q;
}

static void
request_free(struct push_request *q)
{
    *q->link_to = q->next;
    if (q->next != NULL)
        q->next->link_to = q->link_to;
    q->link->pending--;
    q->link->pending_writes -= q->is_write;
    free(q);
}

void
push_requests_free(struct push_link *l)
{
    struct push_request *q = l->requests;

    while (q != NULL) {
        struct push_request *next = q->next;

        free(q);
        q = next;
    }
    l->requests = NULL;
    l->pending = 0;
    l->pending_writes = 0;
}

static void
on_reply(void *ctx, const struct fxp_packet *reply)
{
    struct push_request *q = ctx;
    struct push_link *l = q->link;
    struct buf body = BUF_INIT;

    push_tell_bytes(l, false);
    buf_reserve(&body, 64 + reply->data_len + reply->text_len);
    buf_put_u32(&body, q->request);
    buf_put_u8(&body, reply->type);
    switch (reply->type) {
    case SFTP_STATUS:
        buf_put_u32(&body, reply->status);
        buf_put_bytes(&body, reply->text, reply->text_len);
        break;
    case SFTP_HANDLE:
        buf_put_bytes(&body, reply->handle, reply->handle_len);
        break;
    case SFTP_DATA:
        buf_put(&body, reply->data, reply->data_len);
        break;
    default:
        buf_put_u64(&body, reply->attrs.size);
        buf_put_u32(&body, reply->attrs.mode);
        buf_put_u32(&body, reply->attrs.mtime_s);
        break;
    }
    push_send(l, IPC_LINK_REPLY, &body);
    buf_release(&body);
    l->progress_ms = clock_mono_ms();
    request_free(q);
}

/* What a request's body holds after its type. */
struct request_body {
    char *path;
    const uint8_t *handle;
    size_t handle_len;
    struct reader rest;
};

static bool
send_open(struct push_link *l, struct request_body *b, uint32_t number)
{
    uint32_t flags = reader_u32(&b->rest);

    if (!reader_done(&b->rest))
        return false;
    fxp_client_open(l->sftp, b->path, flags, on_reply,
        request_new(l, number, false));
    return true;
}

static bool
send_close(struct push_link *l, struct request_body *b, uint32_t number)
{
    fxp_client_close(l->sftp, b->handle, b->handle_len, on_reply,
        request_new(l, number, true)); /* may commit, as a WRITE may */
    return true;
}

static bool
send_read(struct push_link *l, struct request_body *b, uint32_t number)
{
    uint64_t offset = reader_u64(&b->rest);
    uint32_t length = reader_u32(&b->rest);

    if (!reader_done(&b->rest) || length > SFTP_DATA_MAX)
        return false;
    fxp_client_read(l->sftp, b->handle, b->handle_len, offset, length, on_reply,
        request_new(l, number, false));
    return true;
}

static bool
send_write(struct push_link *l, struct request_body *b, uint32_t number)
{
    uint64_t offset = reader_u64(&b->rest);
    size_t len = reader_left(&b->rest);

    if (b->rest.failed || len > SFTP_DATA_MAX)
        return false;
    fxp_client_write(l->sftp, b->handle, b->handle_len, offset,
        reader_take(&b->rest, len), len, on_reply,
        request_new(l, number, true));
    return true;
}

static bool
send_stat(struct push_link *l, struct request_body *b, uint32_t number)
{
    (void)reader_u32(&b->rest); /* flags mean nothing here */
    if (!reader_done(&b->rest))
        return false;
    fxp_client_stat(l->sftp, b->path, on_reply, request_new(l, number, false));
    return true;
}

static bool
send_fstat(struct push_link *l, struct request_body *b, uint32_t number)
{
    fxp_client_fstat(l->sftp, b->handle, b->handle_len, on_reply,
        request_new(l, number, false));
    return true;
}

static const struct {
    uint8_t type;
    bool has_path; /* else a handle */
    bool (*send)(struct push_link *l, struct request_body *b, uint32_t number);
} kinds[] = {
    { SFTP_OPEN, true, send_open },
    { SFTP_CLOSE, false, send_close },
    { SFTP_READ, false, send_read },
    { SFTP_WRITE, false, send_write },
    { SFTP_STAT, true, send_stat },
    { SFTP_FSTAT, false, send_fstat },
};

int
push_request(struct push_link *l, const uint8_t *body, size_t len,
    struct err *e)
{
    struct request_body b = { .rest = reader_over(body, len) };
    uint32_t number = reader_u32(&b.rest);
    uint8_t type = reader_u8(&b.rest);
    bool sent = false;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].type != type || l->stage != STAGE_READY)
            continue;
        if (kinds[i].has_path)
            b.path = reader_string(&b.rest, SFTP_PATH_MAX);
        else
            b.handle = reader_bytes(&b.rest, SFTP_HANDLE_MAX, &b.handle_len);
        sent = !b.rest.failed && kinds[i].send(l, &b, number);
    }
    free(b.path);
    if (!sent)
        return err_set(e, ERR_INTERNAL, "malformed request to the pusher");
    return push_stream(l, e);
}

bool
push_forget_bulk(struct push_link *l)
{
    struct buf *out;

    if (l->sftp == NULL || l->pending > 0)
        return false;
    out = fxp_client_output(l->sftp);
    if (out->len > 0 || out->cap <= IDLE_CAPACITY)
        return false;
    buf_release(out);
    return true;
}

int
push_check_progress(struct push_link *l, int64_t now_ms, struct err *e)
{
    int64_t limit = l->pending_writes > 0 ? WRITE_REPLY_MS : REPLY_MS;

    if (l->pending == 0 || now_ms - l->progress_ms < limit)
        return 0;
    err_set(e, ERR_TIMEOUT, "the server did not answer a request");
    err_hint(e, "Check that the server is not overloaded or stopped.");
    return -1;
}

static int
take_input(struct push_link *l, struct err *e, bool *moved)
{
    for (;;) {
        uint32_t count =
            l->since_growth >= GROW_AFTER ? WINDOW_SIZE : READ_SIZE;
        int n = ssh_channel_read_timeout(l->channel, input, count, 0, 0);

        if (n == SSH_ERROR)
            return push_fail_connection(l, e);
        if (count == WINDOW_SIZE)
            l->since_growth = 0;
        if (n <= 0)
            break;
        *moved = true;
        l->since_growth += (size_t)n;
        if (fxp_client_feed(l->sftp, input, (size_t)n, e) != 0)
            return -1;
    }
    if (!ssh_channel_is_eof(l->channel) && ssh_channel_is_open(l->channel))
        return 0;
    err_set(e, ERR_UNREACHABLE, "the server ended the sftp session");
    err_hint(e, "Check the server's log.");
    return -1;
}

static int
send_output(struct push_link *l, struct err *e, bool *moved)
{
    struct buf *out = fxp_client_output(l->sftp);

    for (;;) {
        size_t len = out->len - l->output_sent;
        size_t largest = l->bulk_sent >= LONG_BULK ? WRITE_LARGE : WRITE_SMALL;
        uint32_t window = ssh_channel_window_size(l->channel);
        int n;

        if (len == 0 || window == 0 ||
            (ssh_get_status(l->ssh) & SSH_WRITE_PENDING) != 0)
            return 0;
        if (len > largest)
            len = largest;
        if (len > window)
            len = window;
        n = ssh_channel_write(l->channel, out->data + l->output_sent,
            (uint32_t)len);
        if (n < 0)
            return push_fail_connection(l, e);
        if (n == 0)
            return 0;
        *moved = true;
        l->output_sent += (size_t)n;
        l->bulk_sent += (size_t)n;
        if (l->output_sent == out->len || l->output_sent > out->len / 2) {
            buf_consume(out, l->output_sent);
            l->output_sent = 0;
        }
    }
}

int
push_stream(struct push_link *l, struct err *e)
{
    bool moved;

    do {
        moved = false;
        if (send_output(l, e, &moved) != 0 || take_input(l, e, &moved) != 0)
            return -1;
    } while (moved);
    return 0;
}

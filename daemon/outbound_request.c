/*
 * A link's requests and the replies to them, with their round trips and the
 * bytes not yet acknowledged.
 */
#include "daemon/outbound_link.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "admin-proto/sftp_client.h"
#include "base/alloc.h"
#include "base/clock.h"

struct link_request {
    struct link_request *next;
    uint32_t number;
    size_t bytes; /* of a WRITE */
    int64_t sent_us;
    link_reply_fn fn;
    void *ctx;
};

static void
begin_body(const struct link *link, struct buf *body, uint8_t type, size_t len)
{
    buf_reserve(body, 64 + SFTP_HANDLE_MAX + len);
    buf_put_u32(body, link->next_request);
    buf_put_u8(body, type);
}

static void
send_body(struct link *link, struct buf *body, size_t bytes, link_reply_fn fn,
    void *ctx)
{
    struct link_request *q = alloc_zeroed(1, sizeof(*q));

    q->number = link->next_request++;
    q->bytes = bytes;
    q->sent_us = clock_mono_us();
    q->fn = fn;
    q->ctx = ctx;
    *link->requests_end = q;
    link->requests_end = &q->next;
    link->in_flight += bytes;
    outbound_add_in_flight(link->out, bytes);
    /* A link that has failed says so soon; replies then never come. */
    if (!link->failed)
        outbound_tell(link->out, CHILD_PUSHER, IPC_LINK_REQUEST, link->number,
            body);
    buf_release(body);
}

void
link_open_file(struct link *link, const char *path, uint32_t flags,
    link_reply_fn fn, void *ctx)
{
    struct buf body = BUF_INIT;

    begin_body(link, &body, SFTP_OPEN, strlen(path));
    buf_put_string(&body, path);
    buf_put_u32(&body, flags);
    send_body(link, &body, 0, fn, ctx);
}

void
link_close_file(struct link *link, const void *handle, size_t handle_len,
    link_reply_fn fn, void *ctx)
{
    struct buf body = BUF_INIT;

    begin_body(link, &body, SFTP_CLOSE, 0);
    buf_put_bytes(&body, handle, handle_len);
    send_body(link, &body, 0, fn, ctx);
}

void
link_read(struct link *link, const void *handle, size_t handle_len,
    uint64_t offset, uint32_t length, link_reply_fn fn, void *ctx)
{
    struct buf body = BUF_INIT;

    begin_body(link, &body, SFTP_READ, 0);
    buf_put_bytes(&body, handle, handle_len);
    buf_put_u64(&body, offset);
    buf_put_u32(&body, length);
    send_body(link, &body, 0, fn, ctx);
}

void
link_write(struct link *link, const void *handle, size_t handle_len,
    uint64_t offset, const void *data, size_t len, link_reply_fn fn, void *ctx)
{
    struct buf body = BUF_INIT;

    assert(len <= SFTP_DATA_MAX);
    begin_body(link, &body, SFTP_WRITE, len);
    buf_put_bytes(&body, handle, handle_len);
    buf_put_u64(&body, offset);
    buf_put(&body, data, len);
    send_body(link, &body, len, fn, ctx);
}

/* Takes a request off the list; replies come in order but for a few. */
static struct link_request *
take_request(struct link *link, uint32_t number)
{
    struct link_request **at = &link->requests;
    struct link_request *q;

    while (*at != NULL && (*at)->number != number)
        at = &(*at)->next;
    q = *at;
    if (q == NULL)
        return NULL;
    *at = q->next;
    if (link->requests_end == &q->next)
        link->requests_end = at;
    link->in_flight -= q->bytes;
    outbound_drop_in_flight(link->out, q->bytes);
    return q;
}

static bool
read_status(struct link_reply *reply, struct reader *r)
{
    struct fxp_packet p = { .type = SFTP_STATUS };

    p.status = reader_u32(r);
    p.text = (const char *)reader_bytes(r, SFTP_PACKET_MAX, &p.text_len);
    if (!reader_done(r))
        return false;
    reply->status = p.status;
    reply->text = p.text;
    reply->text_len = p.text_len;
    (void)fxp_status_error(&p, &reply->error);
    return true;
}

static bool
read_attrs(struct link_reply *reply, struct reader *r)
{
    reply->size = reader_u64(r);
    (void)reader_u32(r); /* mode */
    (void)reader_u32(r); /* mtime */
    return reader_done(r);
}

static bool
read_reply(struct link_reply *reply, struct reader *r)
{
    switch (reply->type) {
    case SFTP_STATUS:
        return read_status(reply, r);
    case SFTP_HANDLE:
        reply->data = reader_bytes(r, SFTP_HANDLE_MAX, &reply->data_len);
        return reader_done(r);
    case SFTP_DATA:
        reply->data_len = reader_left(r);
        reply->data = reader_take(r, reply->data_len);
        return reader_done(r);
    case SFTP_ATTRS:
        return read_attrs(reply, r);
    default:
        return false;
    }
}

bool
link_take_reply(struct link *link, struct reader *r)
{
    uint32_t number = reader_u32(r);
    struct link_reply reply = { .type = reader_u8(r), .error = ERR_INIT };
    struct link_request *q;

    if (!read_reply(&reply, r))
        return false;
    q = take_request(link, number);
    if (q == NULL)
        return false;
    reply.round_trip_us = (uint64_t)(clock_mono_us() - q->sent_us);
    if (q->fn != NULL)
        q->fn(q->ctx, &reply); /* may close the link */
    free(q);
    return true;
}

void
link_drop_requests(struct link *link)
{
    while (link->requests != NULL)
        free(take_request(link, link->requests->number));
}

size_t
link_in_flight(const struct link *link)
{
    return link->in_flight;
}

/*
 * The server's half of SFTP: bytes into packets, and the backend's answers
 * into packets.  What each type of request does is in sftp_server_requests.c.
 *
 * Packets are taken only while the backend owes few answers and little waits
 * to be sent, so that no client can make this side hold much.
 */
#include "admin-proto/sftp_server_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* A packet's prefix, type and id. */
enum { ID_END = 9 };

struct fxp_server *
fxp_server_start(const struct fxp_backend *backend, void *ctx)
{
    struct fxp_server *s = alloc_zeroed(1, sizeof(*s));

    s->backend = backend;
    s->ctx = ctx;
    return s;
}

void
fxp_server_end(struct fxp_server *s)
{
    size_t i;

    if (s == NULL)
        return;
    for (i = 0; i < SFTP_MAX_HANDLES; i++)
        if (s->slots[i].state == SLOT_FOLDER)
            fxp_listing_release(&s->slots[i].listing);
    /* Requests and answers may hold secrets. */
    if (s->in.cap > 0)
        explicit_bzero(s->in.data, s->in.cap);
    if (s->out.cap > 0)
        explicit_bzero(s->out.data, s->out.cap);
    buf_release(&s->in);
    buf_release(&s->out);
    free(s);
}

static int
start(struct fxp_server *s, const struct fxp_packet *p, struct err *e)
{
    if (p->type != SFTP_INIT)
        return err_set(e, ERR_PROTOCOL, "sftp request before the version");
    if (p->version < SFTP_VERSION)
        return err_set(e, ERR_PROTOCOL, "sftp version %u is too old",
            (unsigned)p->version);
    s->started = true;
    fxp_put_version(&s->out);
    return 0;
}

static int
take_packet(struct fxp_server *s, const uint8_t *data, size_t len,
    struct err *e)
{
    struct fxp_packet p;
    struct err malformed = ERR_INIT;

    if (fxp_packet_decode(&p, data, len, &malformed) != 0) {
        if (!s->started || p.type == SFTP_INIT || len < ID_END) {
            *e = malformed;
            return -1;
        }
        fxp_put_status(&s->out, p.id, SFTP_BAD_MESSAGE, malformed.message);
        return 0;
    }
    if (!s->started)
        return start(s, &p, e);
    if (p.type == SFTP_INIT)
        return err_set(e, ERR_PROTOCOL, "second sftp version");
    if (len < ID_END)
        return err_set(e, ERR_PROTOCOL, "sftp request without an id");
    fxp_server_serve(s, &p);
    return 0;
}

static bool
has_room(const struct fxp_server *s)
{
    return s->pending_count < SFTP_MAX_PENDING && s->out.len < SFTP_OUTPUT_MAX;
}

/* Takes whole packets from the front of DATA while there is room; returns how
 * many bytes they were. */
static size_t
take_packets(struct fxp_server *s, const uint8_t *data, size_t len)
{
    size_t done = 0;
    size_t size;

    s->busy = true;
    while (has_room(s)) {
        if (fxp_packet_size(data + done, len - done, &size, &s->failed) != 0)
            break;
        if (size == 0)
            break;
        if (take_packet(s, data + done, size, &s->failed) != 0)
            break;
        done += size;
    }
    s->busy = false;
    return done;
}

static void
take_buffered(struct fxp_server *s)
{
    if (s->busy || s->failed.code != ERR_NONE || s->in.len == 0)
        return;
    buf_consume(&s->in, take_packets(s, s->in.data, s->in.len));
}

int
fxp_server_feed(struct fxp_server *s, const void *data, size_t len,
    struct err *e)
{
    const uint8_t *bytes = data;
    size_t done = 0;

    assert(!s->busy);
    /* Whole packets are served from where they are; the rest is kept. */
    if (s->failed.code == ERR_NONE && s->in.len == 0 && len > 0)
        done = take_packets(s, bytes, len);
    if (s->failed.code == ERR_NONE && done < len) {
        buf_put(&s->in, bytes + done, len - done);
        if (done == 0)
            take_buffered(s);
    }
    if (s->failed.code != ERR_NONE) {
        *e = s->failed;
        return -1;
    }
    return 0;
}

struct buf *
fxp_server_output(struct fxp_server *s)
{
    take_buffered(s);
    return &s->out;
}

size_t
fxp_server_pending(const struct fxp_server *s)
{
    return s->pending_count;
}

/* Takes back a request by its tag: generation above, index below. */
static struct pending
settle(struct fxp_server *s, uint32_t tag)
{
    struct pending *p = &s->pending[tag % SFTP_MAX_PENDING];
    struct pending copy = *p;

    assert(p->used && p->generation == tag / SFTP_MAX_PENDING);
    p->used = false;
    s->pending_count--;
    return copy;
}

void
fxp_server_reply_status(struct fxp_server *s, uint32_t tag,
    enum fxp_status status, const char *text)
{
    struct pending p = settle(s, tag);

    /* A refused open has no handle; a close lets go whatever it answers. */
    if (p.slot != NULL)
        p.slot->state = SLOT_FREE;
    fxp_put_status(&s->out, p.id, status, text);
}

static void
put_slot(struct fxp_server *s, const struct pending *p)
{
    struct buf number = BUF_INIT;

    buf_put_u32(&number, p->slot->generation * SFTP_MAX_HANDLES +
                             (uint32_t)(p->slot - s->slots));
    fxp_put_handle(&s->out, p->id, number.data, number.len);
    buf_release(&number);
}

void
fxp_server_reply_handle(struct fxp_server *s, uint32_t tag, uint32_t handle)
{
    struct pending p = settle(s, tag);

    assert(p.type == SFTP_OPEN);
    p.slot->state = SLOT_FILE;
    p.slot->handle = handle;
    put_slot(s, &p);
}

void
fxp_server_reply_data(struct fxp_server *s, uint32_t tag, const void *data,
    size_t len)
{
    struct pending p = settle(s, tag);

    assert(p.type == SFTP_READ && len <= p.length);
    if (len == 0)
        fxp_put_status(&s->out, p.id, SFTP_EOF, "end of file");
    else
        fxp_put_data(&s->out, p.id, data, len);
}

void
fxp_server_reply_attrs(struct fxp_server *s, uint32_t tag,
    const struct fxp_attrs *attrs)
{
    struct pending p = settle(s, tag);

    fxp_put_attrs(&s->out, p.id, attrs);
}

void
fxp_server_reply_list(struct fxp_server *s, uint32_t tag,
    const struct fxp_entry *entries, size_t count)
{
    struct pending p = settle(s, tag);

    assert(p.type == SFTP_OPENDIR);
    p.slot->state = SLOT_FOLDER;
    fxp_listing_init(&p.slot->listing, entries, count);
    put_slot(s, &p);
}

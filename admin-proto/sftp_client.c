/*
 * The client's half of SFTP.  Requests under way live in a table indexed by
 * the low bits of their id: replies come mostly in order, so that an id whose
 * place is taken is simply passed over.
 */
#include "admin-proto/sftp_client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define FIRST_CAPACITY 16

struct request {
    bool used;
    uint32_t id;
    uint8_t answer;  /* the type that a success has; SFTP_STATUS: only that */
    uint32_t length; /* READ: the most that may come */
    fxp_reply_fn fn;
    void *ctx;
};

struct fxp_client {
    struct buf in;
    struct buf out;
    bool ready;
    struct err failed;
    uint32_t next_id;
    size_t pending;
    size_t capacity; /* a power of two */
    struct request *requests;
};

struct fxp_client *
fxp_client_new(void)
{
    struct fxp_client *c = alloc_zeroed(1, sizeof(*c));

    c->capacity = FIRST_CAPACITY;
    c->requests = alloc_zeroed(c->capacity, sizeof(*c->requests));
    fxp_put_init(&c->out);
    return c;
}

void
fxp_client_free(struct fxp_client *c)
{
    if (c == NULL)
        return;
    /* Requests and answers may hold secrets. */
    if (c->in.cap > 0)
        explicit_bzero(c->in.data, c->in.cap);
    if (c->out.cap > 0)
        explicit_bzero(c->out.data, c->out.cap);
    buf_release(&c->in);
    buf_release(&c->out);
    free(c->requests);
    free(c);
}

bool
fxp_client_ready(const struct fxp_client *c)
{
    return c->ready;
}

struct buf *
fxp_client_output(struct fxp_client *c)
{
    return &c->out;
}

size_t
fxp_client_pending(const struct fxp_client *c)
{
    return c->pending;
}

static struct request *
place_of(const struct fxp_client *c, uint32_t id)
{
    return &c->requests[id & (c->capacity - 1)];
}

static void
grow(struct fxp_client *c)
{
    struct request *old = c->requests;
    size_t count = c->capacity;
    size_t i;

    /* Ids that differ in their low bits differ in one bit more, too. */
    c->capacity *= 2;
    c->requests = alloc_zeroed(c->capacity, sizeof(*c->requests));
    for (i = 0; i < count; i++)
        if (old[i].used)
            *place_of(c, old[i].id) = old[i];
    free(old);
}

static uint32_t
add_request(struct fxp_client *c, uint8_t answer, uint32_t length,
    fxp_reply_fn fn, void *ctx)
{
    struct request *r;

    assert(fn != NULL);
    if (c->pending * 2 >= c->capacity)
        grow(c);
    while (place_of(c, c->next_id)->used)
        c->next_id++;
    r = place_of(c, c->next_id);
    *r = (struct request){ true, c->next_id, answer, length, fn, ctx };
    c->pending++;
    return c->next_id++;
}

static int
take_version(struct fxp_client *c, const struct fxp_packet *p, struct err *e)
{
    if (p->type != SFTP_VERSION_REPLY)
        return err_set(e, ERR_PROTOCOL, "sftp reply before the version");
    if (p->version != SFTP_VERSION)
        return err_set(e, ERR_PROTOCOL,
            "the server speaks sftp version %u, not 3", (unsigned)p->version);
    c->ready = true;
    return 0;
}

static bool
answers(const struct request *r, const struct fxp_packet *p)
{
    if (p->type == SFTP_STATUS)
        return p->status != SFTP_OK || r->answer == SFTP_STATUS;
    if (p->type != r->answer)
        return false;
    return p->type != SFTP_DATA || p->data_len <= r->length;
}

static int
take_packet(struct fxp_client *c, const uint8_t *data, size_t len,
    struct err *e)
{
    struct fxp_packet p;
    struct request *r;
    struct request done;

    if (fxp_packet_decode(&p, data, len, e) != 0)
        return -1;
    if (!c->ready)
        return take_version(c, &p, e);
    r = place_of(c, p.id);
    if (p.type == SFTP_VERSION_REPLY || !r->used || r->id != p.id)
        return err_set(e, ERR_PROTOCOL, "sftp reply to no request");
    if (!answers(r, &p))
        return err_set(e, ERR_PROTOCOL, "sftp reply of the wrong kind");
    /* The callback may send requests, which moves the table. */
    done = *r;
    r->used = false;
    c->pending--;
    done.fn(done.ctx, &p);
    return 0;
}

static size_t
take_packets(struct fxp_client *c, const uint8_t *data, size_t len)
{
    size_t done = 0;
    size_t size;

    for (;;) {
        if (fxp_packet_size(data + done, len - done, &size, &c->failed) != 0)
            break;
        if (size == 0)
            break;
        if (take_packet(c, data + done, size, &c->failed) != 0)
            break;
        done += size;
    }
    return done;
}

int
fxp_client_feed(struct fxp_client *c, const void *data, size_t len,
    struct err *e)
{
    const uint8_t *bytes = data;
    size_t done = 0;

    if (c->failed.code == ERR_NONE && len > 0) {
        /* Whole packets are taken from where they are; the rest is kept. */
        if (c->in.len == 0)
            done = take_packets(c, bytes, len);
        if (done < len)
            buf_put(&c->in, bytes + done, len - done);
        if (done == 0 && c->failed.code == ERR_NONE)
            buf_consume(&c->in, take_packets(c, c->in.data, c->in.len));
    }
    if (c->failed.code != ERR_NONE) {
        *e = c->failed;
        return -1;
    }
    return 0;
}

void
fxp_client_open(struct fxp_client *c, const char *path, uint32_t flags,
    fxp_reply_fn fn, void *ctx)
{
    fxp_put_open(&c->out, add_request(c, SFTP_HANDLE, 0, fn, ctx), path, flags);
}

void
fxp_client_close(struct fxp_client *c, const void *handle, size_t handle_len,
    fxp_reply_fn fn, void *ctx)
{
    fxp_put_handle_request(&c->out, SFTP_CLOSE,
        add_request(c, SFTP_STATUS, 0, fn, ctx), handle, handle_len);
}

void
fxp_client_read(struct fxp_client *c, const void *handle, size_t handle_len,
    uint64_t offset, uint32_t length, fxp_reply_fn fn, void *ctx)
{
    fxp_put_read(&c->out, add_request(c, SFTP_DATA, length, fn, ctx), handle,
        handle_len, offset, length);
}

void
fxp_client_write(struct fxp_client *c, const void *handle, size_t handle_len,
    uint64_t offset, const void *data, size_t len, fxp_reply_fn fn, void *ctx)
{
    fxp_put_write(&c->out, add_request(c, SFTP_STATUS, 0, fn, ctx), handle,
        handle_len, offset, data, len);
}

void
fxp_client_stat(struct fxp_client *c, const char *path, fxp_reply_fn fn,
    void *ctx)
{
    fxp_put_path_request(&c->out, SFTP_STAT,
        add_request(c, SFTP_ATTRS, 0, fn, ctx), path);
}

void
fxp_client_fstat(struct fxp_client *c, const void *handle, size_t handle_len,
    fxp_reply_fn fn, void *ctx)
{
    fxp_put_handle_request(&c->out, SFTP_FSTAT,
        add_request(c, SFTP_ATTRS, 0, fn, ctx), handle, handle_len);
}

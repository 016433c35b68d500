/*
 * Reading files: several reads under way, handed out in order.  The number of
 * reads grows as full ones come back, so that a small file costs two.
 */
#include <stdlib.h>

#include "admin-proto/ssh_client_wire.h"

#define PIECE_SIZE (255 * 1024) /* what OpenSSH's servers give at once, too */
#define PIECES_MAX 12

/* One read, from its offset on, until it is full or the file ends. */
struct piece {
    struct fetch *fetch;
    bool done;
    bool eof;
    int result;
    struct err error;
    uint64_t offset;
    struct buf data;
};

struct fetch {
    struct admin_client *client;
    struct wire_reply handle;
    uint64_t next_offset;
    unsigned first; /* in the ring */
    unsigned count;
    unsigned window;
    struct piece pieces[PIECES_MAX];
};

static void take_piece(void *ctx, const struct fxp_packet *p);

static void
request(struct piece *piece)
{
    struct fetch *f = piece->fetch;

    fxp_client_read(f->client->sftp, f->handle.handle, f->handle.handle_len,
        piece->offset + piece->data.len,
        (uint32_t)(PIECE_SIZE - piece->data.len), take_piece, piece);
}

static void
take_piece(void *ctx, const struct fxp_packet *p)
{
    struct piece *piece = ctx;

    if (p->type == SFTP_DATA && p->data_len > 0) {
        buf_put(&piece->data, p->data, p->data_len);
        if (piece->data.len < PIECE_SIZE) {
            request(piece);
            return;
        }
    } else if (p->type == SFTP_DATA || p->status == SFTP_EOF) {
        piece->eof = true;
    } else {
        piece->result = fxp_status_error(p, &piece->error);
    }
    piece->done = true;
}

static void
add_piece(struct fetch *f)
{
    struct piece *piece = &f->pieces[(f->first + f->count++) % PIECES_MAX];

    piece->fetch = f;
    piece->done = false;
    piece->eof = false;
    piece->result = 0;
    piece->offset = f->next_offset;
    buf_clear(&piece->data);
    f->next_offset += PIECE_SIZE;
    request(piece);
}

static int
run_fetch(struct fetch *f, int (*sink)(void *ctx, const void *data, size_t len),
    void *ctx, struct err *e)
{
    struct piece *piece;

    for (;;) {
        while (f->count < f->window)
            add_piece(f);
        piece = &f->pieces[f->first];
        if (wire_run(f->client, &piece->done, f->client->timeout_ms, e) != 0)
            return -1;
        if (piece->result != 0) {
            *e = piece->error;
            return -1;
        }
        if (piece->data.len > 0 &&
            sink(ctx, piece->data.data, piece->data.len) != 0)
            return err_set(e, ERR_CANCELLED, "reading was ended");
        if (piece->eof)
            return 0;
        f->first = (f->first + 1) % PIECES_MAX;
        f->count--;
        if (f->window < PIECES_MAX)
            f->window++;
    }
}

int
admin_client_fetch_to(struct admin_client *client, const char *path,
    uint64_t offset, int (*sink)(void *ctx, const void *data, size_t len),
    void *ctx, struct err *e)
{
    struct fetch f = { .client = client, .next_offset = offset, .window = 1 };
    struct err ignored = ERR_INIT;
    unsigned i;
    int r;

    if (wire_open(client, path, SFTP_OPEN_READ, &f.handle, e) != 0)
        return -1;
    r = run_fetch(&f, sink, ctx, e);
    if (r != 0)
        err_wrap(e, "could not read \"%s\"", path);
    /* The reads still under way point into f. */
    if (!client->broken && wire_drain(client, &ignored) == 0)
        wire_close(client, &f.handle, &ignored);
    for (i = 0; i < PIECES_MAX; i++)
        buf_release(&f.pieces[i].data);
    return r;
}

struct bounded {
    struct buf *out;
    size_t max;
};

static int
take_bounded(void *ctx, const void *data, size_t len)
{
    struct bounded *b = ctx;

    if (len > b->max - b->out->len)
        return -1;
    buf_put(b->out, data, len);
    return 0;
}

int
admin_client_fetch(struct admin_client *client, const char *path, size_t max,
    struct buf *out, struct err *e)
{
    struct bounded b = { out, max };

    buf_clear(out);
    if (admin_client_fetch_to(client, path, 0, take_bounded, &b, e) == 0)
        return 0;
    if (e->code == ERR_CANCELLED)
        err_set(e, ERR_INVALID, "\"%s\" is larger than %zu bytes", path, max);
    return -1;
}

int
admin_client_stat(struct admin_client *client, const char *path, uint64_t *size,
    struct err *e)
{
    struct wire_reply reply = { .done = false };

    *size = 0;
    if (client->sftp == NULL)
        return err_set(e, ERR_INTERNAL, "the connection has no login");
    fxp_client_stat(client->sftp, path, wire_note_reply, &reply);
    if (wire_await(client, &reply, client->timeout_ms, e) != 0)
        return err_wrap(e, "could not look at \"%s\"", path);
    *size = reply.attrs.size;
    return 0;
}

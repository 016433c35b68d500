/*
 * An OVERWRITE bundle as a stream: header, the image in zstd frames, and a
 * trailer with SHA-256 over both and the signature.  Nothing is kept but one
 * buffer, whatever the size of the database.
 */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/alloc.h"
#include "sync/source.h"

/* The fastest that still halves a typical database, 370 MB/s; and one for links
 * that take more than it makes: 850 MB/s, three quarters of the size. */
#define COMPRESSION_LEVEL 1
#define COMPRESSION_LEVEL_HURRIED (-5)
/* A frame has one level: so often it may change. */
#define FRAME_SIZE ((uint64_t)4 << 20)
#define PIECE ((size_t)256 << 10)

struct overwrite_stream {
    struct image *image;
    struct bundle_signer signer;
    struct hasher *hasher;
    ZSTD_CCtx *zstd;
    struct buf header; /* not yet given out */
    uint8_t *piece;
    ZSTD_inBuffer in;
    uint64_t offset;    /* in the image */
    uint64_t frame_end; /* likewise */
    bool in_frame;
    bool hurried;
    bool body_done;
    bool done;
};

static struct bundle_header
header_of(const struct image *image, const char *dataset, uint64_t replaces,
    const struct digest *replaces_digest)
{
    struct dataset_state state;
    struct bundle_header h = { .kind = BUNDLE_OVERWRITE, .compression = 1 };

    image_state(image, &state);
    strncpy(h.dataset, dataset, DATASET_NAME_MAX);
    memcpy(h.cluster, state.cluster, ID_SIZE);
    memcpy(h.writer, state.writer, ID_SIZE);
    memcpy(h.schema_before, state.schema_hash, HASH_SIZE);
    memcpy(h.schema_after, state.schema_hash, HASH_SIZE);
    h.epoch = state.epoch;
    h.from_revision = replaces;
    h.to_revision = state.revision;
    h.digest_before = *replaces_digest;
    h.digest_after = state.digest;
    h.rows_after = state.rows;
    h.raw_length = image_size(image);
    h.changed_ms = state.changed_ms;
    return h;
}

int
overwrite_stream_open(struct image *image, const char *dataset,
    uint64_t replaces_revision, const struct digest *replaces_digest,
    const struct bundle_signer *signer, struct overwrite_stream **stream,
    struct err *e)
{
    struct overwrite_stream *s = alloc_zeroed(1, sizeof(*s));
    struct bundle_header h =
        header_of(image, dataset, replaces_revision, replaces_digest);

    *stream = NULL;
    s->image = image;
    s->signer = *signer;
    s->hasher = hasher_new();
    s->piece = alloc_bytes(PIECE);
    s->zstd = ZSTD_createCCtx();
    if (s->zstd == NULL) {
        overwrite_stream_close(s);
        return err_set(e, ERR_INTERNAL, "could not start compression");
    }
    bundle_header_encode(&h, &s->header);
    *stream = s;
    return 0;
}

static int
begin_frame(struct overwrite_stream *s, struct err *e)
{
    uint64_t left = image_size(s->image) - s->offset;
    uint64_t size = left < FRAME_SIZE ? left : FRAME_SIZE;

    if (ZSTD_isError(ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_compressionLevel,
            s->hurried ? COMPRESSION_LEVEL_HURRIED : COMPRESSION_LEVEL)) ||
        ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(s->zstd, size)))
        return err_set(e, ERR_INTERNAL, "could not begin to compress");
    s->frame_end = s->offset + size;
    s->in_frame = true;
    return 0;
}

static int
fill_input(struct overwrite_stream *s, struct err *e)
{
    uint64_t left = s->frame_end - s->offset;
    size_t got;

    if (s->in.pos < s->in.size || left == 0)
        return 0;
    if (image_read(s->image, s->offset, s->piece,
            left < PIECE ? (size_t)left : PIECE, &got, e) != 0)
        return -1;
    s->offset += got;
    s->in = (ZSTD_inBuffer){ s->piece, got, 0 };
    return 0;
}

/* Compresses at most ROOM bytes into OUT. */
static int
put_body(struct overwrite_stream *s, size_t room, struct buf *out,
    struct err *e)
{
    ZSTD_outBuffer to = { buf_reserve(out, room), room, 0 };

    while (to.pos < room && !s->body_done) {
        ZSTD_EndDirective directive;
        size_t left;

        if ((!s->in_frame && begin_frame(s, e) != 0) || fill_input(s, e) != 0)
            return -1;
        directive = s->offset >= s->frame_end ? ZSTD_e_end : ZSTD_e_continue;
        left = ZSTD_compressStream2(s->zstd, &to, &s->in, directive);
        if (ZSTD_isError(left))
            return err_set(e, ERR_INTERNAL, "could not compress: %s",
                ZSTD_getErrorName(left));
        s->in_frame = directive != ZSTD_e_end || left > 0;
        s->body_done = !s->in_frame && s->offset >= image_size(s->image);
    }
    hasher_update(s->hasher, to.dst, to.pos);
    out->len += to.pos;
    return 0;
}

static int
put_trailer(struct overwrite_stream *s, struct buf *out, struct err *e)
{
    uint8_t content[HASH_SIZE], message[HASH_SIZE];
    uint8_t signature[ED25519_SIGNATURE_SIZE];

    hasher_finish(s->hasher, content);
    bundle_signed_hash(content, message);
    if (s->signer.sign(s->signer.ctx, message, signature, e) != 0)
        return -1;
    buf_put(out, content, HASH_SIZE);
    buf_put(out, signature, ED25519_SIGNATURE_SIZE);
    s->done = true;
    return 0;
}

int
overwrite_stream_next(struct overwrite_stream *stream, size_t max,
    struct buf *out, bool *last, struct err *e)
{
    struct overwrite_stream *s = stream;
    size_t start = out->len, header;

    *last = false;
    header = s->header.len < max ? s->header.len : max;
    if (header > 0) {
        hasher_update(s->hasher, s->header.data, header);
        buf_put(out, s->header.data, header);
        buf_consume(&s->header, header);
    }
    if (s->header.len == 0 && !s->body_done && out->len - start < max &&
        put_body(s, max - (out->len - start), out, e) != 0)
        return -1;
    if (s->body_done && !s->done &&
        max - (out->len - start) >= BUNDLE_TRAILER_SIZE &&
        put_trailer(s, out, e) != 0)
        return -1;
    *last = s->done;
    return 0;
}

void
overwrite_stream_hurry(struct overwrite_stream *stream, bool hurried)
{
    stream->hurried = hurried;
}

void
overwrite_stream_progress(const struct overwrite_stream *stream, uint64_t *done,
    uint64_t *total)
{
    *done = stream->offset;
    *total = image_size(stream->image);
}

void
overwrite_stream_close(struct overwrite_stream *stream)
{
    if (stream == NULL)
        return;
    image_close(stream->image);
    hasher_free(stream->hasher);
    ZSTD_freeCCtx(stream->zstd);
    buf_release(&stream->header);
    free(stream->piece);
    free(stream);
}

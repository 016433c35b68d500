/*
 * Bundles to and from bytes: header, sealing (compression, hash, signature) and
 * opening (the reverse, nothing believed before the signature was verified).
 * What the body means is for sync/replica_rows.c; whole images are streamed by
 * sync/overwrite_receive.c.
 */
#include "sync/bundle.h"

#include <string.h>
#include <zstd.h>

#include "base/alloc.h"

#define BUNDLE_MAGIC "LSB1"
#define BUNDLE_MAGIC_SIZE 4
#define BUNDLE_SIGNED_PREFIX "lockstep bundle 1\n"
/* Level 3 halves ten changed rows in 20 us; higher levels gain a few bytes. */
#define BUNDLE_ZSTD_LEVEL 3

static bool
dataset_name_is_valid(const char *name, size_t len)
{
    if (len == 0 || len > DATASET_NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c <= ' ' || c >= 0x7f || c == '/')
            return false;
    }
    return true;
}

void
bundle_header_encode(const struct bundle_header *h, struct buf *out)
{
    size_t name_len = strlen(h->dataset);

    buf_put(out, BUNDLE_MAGIC, BUNDLE_MAGIC_SIZE);
    buf_put_u8(out, (uint8_t)h->kind);
    buf_put_u8(out, h->compression);
    buf_put_u8(out, (uint8_t)name_len);
    buf_put(out, h->dataset, name_len);
    buf_put(out, h->cluster, ID_SIZE);
    buf_put_u64(out, h->epoch);
    buf_put(out, h->writer, ID_SIZE);
    buf_put_u64(out, h->from_revision);
    buf_put_u64(out, h->to_revision);
    buf_put(out, h->schema_before, HASH_SIZE);
    buf_put(out, h->schema_after, HASH_SIZE);
    buf_put(out, h->digest_before.sum, HASH_SIZE);
    buf_put(out, h->digest_after.sum, HASH_SIZE);
    buf_put_u64(out, h->rows_after);
    buf_put_u64(out, h->raw_length);
    buf_put_u64(out, (uint64_t)h->changed_ms);
}

int
bundle_header_decode(struct bundle_header *h, struct reader *r, struct err *e)
{
    const uint8_t *magic = reader_take(r, BUNDLE_MAGIC_SIZE);
    uint8_t kind = reader_u8(r);
    uint8_t compression = reader_u8(r);
    uint8_t name_len = reader_u8(r);
    const uint8_t *name = reader_take(r, name_len);

    memset(h, 0, sizeof(*h));
    if (magic == NULL || name == NULL ||
        memcmp(magic, BUNDLE_MAGIC, BUNDLE_MAGIC_SIZE) != 0)
        return err_set(e, ERR_CORRUPT, "not a bundle: no header");
    if (kind < BUNDLE_CHANGES || kind > BUNDLE_REPAIR || compression > 1)
        return err_set(e, ERR_CORRUPT,
            "bundle of unknown kind %u, compression %u", kind, compression);
    if (!dataset_name_is_valid((const char *)name, name_len))
        return err_set(e, ERR_CORRUPT, "bundle with a malformed dataset name");
    h->kind = (enum bundle_kind)kind;
    h->compression = compression;
    memcpy(h->dataset, name, name_len);
    reader_copy(r, h->cluster, ID_SIZE);
    h->epoch = reader_u64(r);
    reader_copy(r, h->writer, ID_SIZE);
    h->from_revision = reader_u64(r);
    h->to_revision = reader_u64(r);
    reader_copy(r, h->schema_before, HASH_SIZE);
    reader_copy(r, h->schema_after, HASH_SIZE);
    reader_copy(r, h->digest_before.sum, HASH_SIZE);
    reader_copy(r, h->digest_after.sum, HASH_SIZE);
    h->rows_after = reader_u64(r);
    h->raw_length = reader_u64(r);
    h->changed_ms = (int64_t)reader_u64(r);
    if (r->failed)
        return err_set(e, ERR_CORRUPT, "bundle header is cut short");
    return 0;
}

void
bundle_signed_hash(const uint8_t content[HASH_SIZE], uint8_t out[HASH_SIZE])
{
    uint8_t message[sizeof(BUNDLE_SIGNED_PREFIX) - 1 + HASH_SIZE];

    memcpy(message, BUNDLE_SIGNED_PREFIX, sizeof(BUNDLE_SIGNED_PREFIX) - 1);
    memcpy(message + sizeof(BUNDLE_SIGNED_PREFIX) - 1, content, HASH_SIZE);
    hash_bytes(message, sizeof(message), out);
}

/* Appends BODY to OUT as a zstd frame; false, with OUT as it was, when that
 * would not save a byte. */
static bool
compress_body(const void *body, size_t body_len, struct buf *out)
{
    size_t start = out->len;
    size_t bound = ZSTD_compressBound(body_len);
    uint8_t *to = buf_reserve(out, bound);
    size_t got = ZSTD_compress(to, bound, body, body_len, BUNDLE_ZSTD_LEVEL);

    if (ZSTD_isError(got) || got >= body_len)
        return false;
    out->len = start + got;
    return true;
}

int
bundle_seal(struct bundle_header *h, const void *body, size_t body_len,
    const struct bundle_signer *signer, struct buf *out, struct err *e)
{
    size_t start = out->len;
    struct buf packed = BUF_INIT;
    uint8_t content[HASH_SIZE];
    uint8_t signed_hash[HASH_SIZE];
    uint8_t signature[ED25519_SIGNATURE_SIZE];
    int r = -1;

    h->raw_length = body_len;
    h->compression = compress_body(body, body_len, &packed) ? 1 : 0;
    bundle_header_encode(h, out);
    if (h->compression != 0)
        buf_put(out, packed.data, packed.len);
    else
        buf_put(out, body, body_len);
    hash_bytes(out->data + start, out->len - start, content);
    bundle_signed_hash(content, signed_hash);
    if (signer->sign(signer->ctx, signed_hash, signature, e) != 0) {
        out->len = start;
        err_wrap(e, "could not sign a bundle of dataset \"%s\"", h->dataset);
        goto out;
    }
    buf_put(out, content, HASH_SIZE);
    buf_put(out, signature, sizeof(signature));
    r = 0;
out:
    buf_release(&packed);
    return r;
}

static int
verify_trailer(const uint8_t *data, size_t len, const uint8_t *bundle_key,
    struct err *e)
{
    const uint8_t *trailer = data + (len - BUNDLE_TRAILER_SIZE);
    uint8_t content[HASH_SIZE];
    uint8_t signed_hash[HASH_SIZE];

    hash_bytes(data, len - BUNDLE_TRAILER_SIZE, content);
    if (memcmp(content, trailer, HASH_SIZE) != 0)
        return err_set(e, ERR_CORRUPT,
            "bundle is damaged: its hash does not match its bytes");
    bundle_signed_hash(content, signed_hash);
    if (!ed25519_verify(bundle_key, signed_hash, HASH_SIZE,
            trailer + HASH_SIZE)) {
        err_set(e, ERR_SIGNATURE,
            "bundle is not signed by the primary of this cluster");
        err_hint(e, "If the primary was set up anew, add this server again.");
        return -1;
    }
    return 0;
}

static int
unpack_body(const struct bundle_header *h, const uint8_t *packed,
    size_t packed_len, struct buf *body, struct err *e)
{
    size_t raw = (size_t)h->raw_length;
    size_t got;

    if (h->compression == 0) {
        if (packed_len != raw)
            return err_set(e, ERR_CORRUPT,
                "bundle body has another length than its header says");
        buf_put(body, packed, packed_len);
        return 0;
    }
    got = ZSTD_decompress(buf_reserve(body, raw), raw, packed, packed_len);
    if (ZSTD_isError(got) || got != raw)
        return err_set(e, ERR_CORRUPT, "bundle body does not decompress");
    body->len += got;
    return 0;
}

int
bundle_open(const void *data, size_t len,
    const uint8_t bundle_key[ED25519_PUBLIC_SIZE], size_t max_body,
    struct bundle_header *h, struct buf *body, struct err *e)
{
    struct reader r;

    if (len < BUNDLE_TRAILER_SIZE)
        return err_set(e, ERR_CORRUPT, "bundle is cut short");
    if (verify_trailer(data, len, bundle_key, e) != 0)
        return -1;
    r = reader_over(data, len - BUNDLE_TRAILER_SIZE);
    if (bundle_header_decode(h, &r, e) != 0)
        return -1;
    if (h->raw_length > max_body)
        return err_set(e, ERR_CORRUPT,
            "bundle body of %llu bytes is larger than the %zu allowed",
            (unsigned long long)h->raw_length, max_body);
    return unpack_body(h, r.p, reader_left(&r), body, e);
}

/*
 * The bundle: the bytes that carry a dataset from one revision to a later one.
 * docs/protocol.md describes it to the byte.  Header, body, trailer; the
 * trailer holds SHA-256 of header and body, and the primary's Ed25519 signature
 * of "lockstep bundle 1\n" and that hash.  Integers big-endian.
 *
 * header: "LSB1" | u8 kind | u8 compression (0 none, 1 zstd) | u8 name length,
 *   name | cluster 16 | u64 epoch | writer 16 | u64 from | u64 to |
 *   schema hash before 32 | after 32 | digest before 32 | after 32 |
 *   u64 rows after | u64 raw length | i64 changed_ms
 * body:  kind CHANGES: the changes (below), perhaps zstd; kind OVERWRITE: the
 *   published copy's file image, perhaps zstd; kind REPAIR: as CHANGES, from
 *   and to the same revision
 * trailer: SHA-256 32 | signature 64
 *
 * changes: DDL (varint count, each varint length and text) |
 *   u8 specials present, varint length, bytes |
 *   varint table count, each: name (varint length, bytes), varint entry count,
 *   entries: u8 op (1 remove: key tuple; 2 put: key tuple, row tuple;
 *   3 change: key tuple, varint with bit i for column i (at most 63 columns,
 *   not 0), the new values of those columns; the row must be there; not in a
 *   REPAIR)
 *   REHASH is implied for tables whose columns the DDL changed.
 */
#ifndef SYNC_BUNDLE_H
#define SYNC_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "sync/digest.h"
#include "sync/state.h"

#define DATASET_NAME_MAX 63
#define BUNDLE_TRAILER_SIZE (HASH_SIZE + ED25519_SIGNATURE_SIZE)
#define BUNDLE_HEADER_MAX 512

enum bundle_kind {
    BUNDLE_CHANGES = 1,
    BUNDLE_OVERWRITE = 2,
    BUNDLE_REPAIR = 3
};

struct bundle_header {
    enum bundle_kind kind;
    uint8_t compression;
    char dataset[DATASET_NAME_MAX + 1];
    uint8_t cluster[ID_SIZE];
    uint64_t epoch;
    uint8_t writer[ID_SIZE];
    uint64_t from_revision;
    uint64_t to_revision;
    uint8_t schema_before[HASH_SIZE];
    uint8_t schema_after[HASH_SIZE];
    struct digest digest_before;
    struct digest digest_after;
    uint64_t rows_after;
    uint64_t raw_length; /* of the body, uncompressed */
    int64_t changed_ms;
};

/* Signs 32 bytes with the primary's bundle key (the prefix is added by the
 * caller of this callback's maker); returns 0 or -1 with E. */
struct bundle_signer {
    int (*sign)(void *ctx, const uint8_t hash[HASH_SIZE],
        uint8_t signature[ED25519_SIGNATURE_SIZE], struct err *e);
    void *ctx;
};

void bundle_header_encode(const struct bundle_header *h, struct buf *out);
/* Reads a header from the front of R; ERR_CORRUPT when malformed. */
int bundle_header_decode(struct bundle_header *h, struct reader *r,
    struct err *e);
/* A whole CHANGES or REPAIR bundle from its raw body; compresses when that
 * saves bytes.  OUT is appended to. */
int bundle_seal(struct bundle_header *h, const void *body, size_t body_len,
    const struct bundle_signer *signer, struct buf *out, struct err *e);
/* Checks trailer and signature of a whole bundle and decompresses its body
 * (at most MAX_BODY bytes) into BODY.  ERR_CORRUPT, ERR_SIGNATURE. */
int bundle_open(const void *data, size_t len,
    const uint8_t bundle_key[ED25519_PUBLIC_SIZE], size_t max_body,
    struct bundle_header *h, struct buf *body, struct err *e);
/* The 32 bytes that are signed: SHA-256 over prefix and content hash. */
void bundle_signed_hash(const uint8_t content[HASH_SIZE],
    uint8_t out[HASH_SIZE]);

#endif

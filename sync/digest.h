/*
 * The digest of a dataset: the sum modulo 2^256 (big-endian) of SHA-256 over
 * each row.  Adding and removing a row costs one hash, whatever the size of
 * the table.  It detects accidents and edits, not somebody who may choose
 * rows: bundles are signed for that.
 *
 * The hash of a row is over: table name (varint length, bytes), key tuple,
 * row tuple (sync/value.h).  sqlite_sequence, sqlite_stat1, user_version and
 * application_id count as rows of pseudo tables; see docs/protocol.md.
 */
#ifndef SYNC_DIGEST_H
#define SYNC_DIGEST_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "sync/schema.h"

struct digest {
    uint8_t sum[HASH_SIZE];
};

void digest_zero(struct digest *d);
void digest_add_hash(struct digest *d, const uint8_t hash[HASH_SIZE]);
void digest_sub_hash(struct digest *d, const uint8_t hash[HASH_SIZE]);
bool digest_equal(const struct digest *a, const struct digest *b);

/* The hash of one row given as encoded key and row tuples. */
void digest_row_hash(struct hasher *h, const char *table, const void *key,
    size_t key_len, const void *row, size_t row_len, uint8_t out[HASH_SIZE]);

/* Recomputes the digest of one table, or of the whole database with its
 * specials, inside the caller's read transaction; counts rows (of ordinary
 * tables) into *ROWS. */
int digest_scan_table(sqlite3 *db, const struct table *t, struct digest *d,
    uint64_t *rows, struct err *e);
int digest_scan(sqlite3 *db, const struct schema *s, struct digest *d,
    uint64_t *rows, struct err *e);

/*
 * The specials: what travels whole.  Encoded in one canonical form, so that
 * equality of bytes is equality:
 *
 *   i32 user_version | i32 application_id |
 *   varint count, rows of sqlite_sequence | varint count, rows of sqlite_stat1
 *
 * A row is a varint length and a tuple: (name, seq), and (tbl, idx, stat).  The
 * rows of each are sorted bytewise by tuple; rows about Lockstep's own tables
 * are left out, those about tables that a selection leaves out, and those of
 * sqlite_sequence about tables of which some rows are protected.  A table that
 * does not exist counts as empty.
 *
 * In the digest each of those rows is a row of a table of its name with an
 * empty key; user_version and application_id are tables of one row, an INTEGER,
 * with an empty key.
 */
int specials_read(sqlite3 *db, const struct selection *selection,
    struct buf *out, struct err *e);
/* Their share of the digest. */
int specials_digest(const void *specials, size_t len, struct digest *d,
    struct err *e);
/* Makes the database's specials equal to those bytes, in the caller's write
 * transaction. */
int specials_write(sqlite3 *db, const struct selection *selection,
    const void *specials, size_t len, struct err *e);

#endif

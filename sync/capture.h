/*
 * Capture by triggers: every change of a row notes the row's key in a journal
 * table, in the writer's own transaction.  The same on a primary (to publish)
 * and on a secondary (to know drift row by row).
 *
 * Objects made in the live file, all named _lockstep_*:
 *   _lockstep_meta(name PRIMARY KEY, value) WITHOUT ROWID   nonce and so on
 *   _lockstep_tables(id INTEGER PRIMARY KEY, name)          numeric table ids
 *   _lockstep_journalN(t, k0..kN-1, n) WITHOUT ROWID        one per key arity
 *   triggers _lockstep_<id>_{bi,bu,bd,ai,au,ad}
 */
#ifndef SYNC_CAPTURE_H
#define SYNC_CAPTURE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "sync/schema.h"
#include "sync/state.h"

/* Creates what is missing and replaces what differs, in one BEGIN IMMEDIATE
 * or in the caller's transaction.  *INSTALLED is true when a trigger was made
 * or replaced: writes before that moment may be unnoted, so the caller must
 * compare.  Tables for which triggers cannot see everything are listed in
 * NEEDS_COMPARE (counted strings), and get compare. */
int capture_install(sqlite3 *db, const struct schema *s, bool *installed,
    struct buf *needs_compare, struct err *e);
/* True when every trigger and table is there, letter by letter. */
int capture_intact(sqlite3 *db, const struct schema *s, bool *intact,
    struct err *e);
/* Whether the file holds anything of ours but _lockstep_state. */
int capture_present(sqlite3 *db, bool *present, struct err *e);
/* Removes every trace of ours but _lockstep_state. */
int capture_remove(sqlite3 *db, struct err *e);

/* Removes our triggers alone, in the caller's transaction: capture_install puts
 * them back. */
int capture_remove_triggers(sqlite3 *db, struct err *e);

int capture_read_nonce(sqlite3 *db, uint8_t nonce[ID_SIZE], bool *present,
    struct err *e);
int capture_write_nonce(sqlite3 *db, const uint8_t nonce[ID_SIZE],
    struct err *e);

/* One noted key. */
struct capture_key {
    const struct table *table; /* into the schema given to capture_read */
    int64_t table_id;
    uint8_t *key; /* tuple of the table's key */
    size_t key_len;
    int64_t counter;
};

struct capture_keys {
    struct capture_key *items;
    size_t count;
    bool too_many; /* and none is here */
};

/* More are not held in memory: what changed is found in another way. */
#define CAPTURE_KEYS_MAX 65536

/* Reads the journal in the caller's read transaction. */
int capture_read(sqlite3 *db, const struct schema *s, struct capture_keys *keys,
    struct err *e);
void capture_keys_release(struct capture_keys *keys);
/* True when the journal holds a row; cheap. */
int capture_pending(sqlite3 *db, bool *pending, struct err *e);
/* Deletes those journal rows whose counter is still the one read, in the
 * caller's write transaction. */
int capture_trim(sqlite3 *db, const struct capture_keys *keys, struct err *e);
/* Deletes every journal row, in the caller's write transaction. */
int capture_clear(sqlite3 *db, struct err *e);
/* Whether the journal holds that key; in any transaction. */
int capture_notes(sqlite3 *db, const struct table *t, const void *key,
    size_t key_len, bool *notes, struct err *e);
/* The journal trimmed in slices, each in a write transaction of the caller's,
 * so that nobody waits long and nothing is held in memory. */
struct capture_slice {
    int key_count; /* of the journal table that it stopped in; 0: none yet */
    int64_t table_id;
    struct buf key; /* the last one looked at; empty: none there yet */
    bool done;
    /* Whether what the key stands for is published: 1, 0, or -1 with E. */
    int (*settled)(void *ctx, const struct capture_key *key, struct err *e);
    void *ctx;
};
/* Deletes those of the next MAX rows that are settled. */
int capture_trim_slice(sqlite3 *db, const struct schema *s,
    struct capture_slice *slice, size_t max, struct err *e);

#endif

/*
 * The state row: which revision of a dataset a file holds, and who wrote it.
 * It lives in table _lockstep_state, in the same file as the rows (published
 * copy on a primary, live database on a secondary), and is written in the same
 * transaction as they are.
 */
#ifndef SYNC_STATE_H
#define SYNC_STATE_H

#include <sqlite3.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "sync/digest.h"

#define ID_SIZE 16 /* cluster, node and writer ids: random bytes */

struct dataset_state {
    uint8_t cluster[ID_SIZE]; /* zero while standalone */
    uint64_t epoch;
    uint8_t writer[ID_SIZE]; /* who made the newest revision */
    uint64_t revision;       /* 0: nothing published yet */
    uint8_t schema_hash[HASH_SIZE];
    struct digest digest;
    uint64_t rows;
    int64_t changed_ms;          /* UTC when the revision was made */
    int64_t verified_ms;         /* UTC of the last whole digest scan */
    uint8_t nonce[ID_SIZE];      /* the live file's, as last agreed */
    uint8_t nonce_next[ID_SIZE]; /* the one the next trim writes */
};

/* Reads the row; ERR_NOT_FOUND when the file has none. */
int state_read(sqlite3 *db, struct dataset_state *s, struct err *e);
/* Writes it (creating the table), in the caller's transaction. */
int state_write(sqlite3 *db, const struct dataset_state *s, struct err *e);
/* What part of the database is replicated (sync/selection.h): a fresh string,
 * "" where the file does not say. */
int state_read_selection(sqlite3 *db, char **text, struct err *e);
/* Writes it beside a row that is there, in the caller's transaction. */
int state_write_selection(sqlite3 *db, const char *text, struct err *e);
/* Drops the table. */
int state_remove(sqlite3 *db, struct err *e);

#endif

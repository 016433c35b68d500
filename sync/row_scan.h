/*
 * All rows of a table in key order, in bounded memory.
 *
 *     row_scan_open(&s, db, t, &e);
 *     while ((step = row_scan_next(&s, &e)) > ROW_SCAN_END)
 *         if (step == ROW_SCAN_ROW)
 *             table_read_row(t, s.stmt, &key, &row);
 *         else
 *             ... row_scan_large_key(&s, &key), s.hash ...
 *     row_scan_close(&s);
 *
 * A row that is stored in more than ROW_LARGE bytes is not read but hashed.  In
 * a table WITHOUT ROWID the statement is at it all the same, and its key,
 * however large, is in memory.
 */
#ifndef SYNC_ROW_SCAN_H
#define SYNC_ROW_SCAN_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "sync/schema.h"

enum row_scan_step {
    ROW_SCAN_ERROR = -1,
    ROW_SCAN_END,
    ROW_SCAN_ROW,  /* the statement has it */
    ROW_SCAN_LARGE /* digest_row_hash gives HASH */
};

struct row_scan {
    sqlite3 *db;
    const struct table *t;
    sqlite3_stmt *stmt; /* as of table_select_all_sql */
    bool behind;        /* ROWID was passed: go on behind it */
    int64_t rowid;      /* of rowid tables */
    uint8_t hash[HASH_SIZE];
    struct buf after; /* the key that a resumed statement is bound to */
};

/* In the caller's read transaction.  To be closed also after an error. */
int row_scan_open(struct row_scan *s, sqlite3 *db, const struct table *t,
    struct err *e);
enum row_scan_step row_scan_next(struct row_scan *s, struct err *e);
/* Of a large row: its key, appended; and the row whole if it is stored in no
 * more than ROOM bytes, else *FITS is false. */
void row_scan_large_key(const struct row_scan *s, struct buf *key);
int row_scan_large_read(const struct row_scan *s, size_t room, struct buf *key,
    struct buf *row, bool *fits, struct err *e);
/* Nothing is open in DB any more until it is resumed, behind the row of KEY,
 * the last one given, among the same rows. */
void row_scan_suspend(struct row_scan *s);
int row_scan_resume(struct row_scan *s, const struct buf *key, struct err *e);
void row_scan_close(struct row_scan *s);

#endif

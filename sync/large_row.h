/*
 * Rows that are too large to be held in memory: found, and hashed piece by
 * piece.  See sync/row_scan.h for all rows of a table.
 *
 * A row of a table WITHOUT ROWID has no handles to its cells: SQLite holds it
 * (sync/database_memory.h), we do not.
 */
#ifndef SYNC_LARGE_ROW_H
#define SYNC_LARGE_ROW_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "sync/schema.h"

/* A row that is stored in more bytes is large where all rows are read. */
#define ROW_LARGE (1 << 20)

/* sqlite3_step on a SELECT of all replicated columns of T and nothing behind
 * them, except that it gives SQLITE_TOOBIG for a row of more than LIMIT bytes.
 * In a table WITHOUT ROWID the statement is at that row; elsewhere it ends. */
int row_step(const struct table *t, sqlite3_stmt *stmt, int limit);
/* The same where the row is looked up by its key: one that is protected is not
 * there, whatever its size. */
int row_step_key(const struct table *t, sqlite3_stmt *stmt, int limit);
/* What digest_row_hash makes of the row that STMT, as of table_select_all_sql,
 * is at; H is used. */
void large_row_hash_at(const struct table *t, sqlite3_stmt *stmt,
    struct hasher *h, uint8_t hash[HASH_SIZE]);
/* About as many bytes as that row is stored in. */
size_t large_row_size_at(const struct table *t, sqlite3_stmt *stmt);
/* The first row behind AFTER (NULL: of all), if any. */
int large_row_find(sqlite3 *db, const struct table *t, const int64_t *after,
    bool *found, int64_t *rowid, struct err *e);
/* What digest_row_hash makes of the row, which is there; H is used.  For
 * rowid tables. */
int large_row_hash(sqlite3 *db, const struct table *t, int64_t rowid,
    struct hasher *h, uint8_t hash[HASH_SIZE], struct err *e);
/* The same of any table's row with a key tuple, which is there. */
int large_row_hash_key(sqlite3 *db, const struct table *t, const void *key,
    size_t key_len, struct hasher *h, uint8_t hash[HASH_SIZE], struct err *e);
/* The row whole, appended, if it is stored in no more than ROOM bytes: else
 * *FITS is false. */
int large_row_read(sqlite3 *db, const struct table *t, int64_t rowid,
    size_t room, struct buf *key, struct buf *row, bool *fits, struct err *e);
/* The statement that gives WHAT, an expression over columns, of one row. */
int large_row_prepare(sqlite3 *db, const struct table *t, const char *what,
    int64_t rowid, sqlite3_stmt **stmt, struct err *e);
/* SQLITE_TEXT or SQLITE_BLOB for a value that has a handle (its bytes are
 * UTF-8: no database in UTF-16 is replicated), SQLITE_NULL for any other; -1
 * with E. */
int large_row_type(sqlite3 *db, const struct table *t, const char *column,
    int64_t rowid, struct err *e);

/* large_row_copy.c */

/* Copies the row of FROM into TO by the prepared INSERT, whose parameters are
 * COLUMNS (names, COUNT of them).  Blobs go piece by piece where SQLite can
 * write them so: not in an index or beside generated columns, and without
 * holding them only behind all other columns. */
int large_row_copy(sqlite3 *to, sqlite3 *from, const struct table *t,
    int64_t rowid, sqlite3_stmt *insert, char *const *columns, int count,
    struct err *e);

#endif

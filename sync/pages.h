/*
 * The pages of a database as they are in a read transaction, read past SQLite's
 * cache and machine, which cost most of the time when a whole file is looked
 * through.  The bytes come through the descriptors that SQLite holds.
 *
 *     log_mark_read(db, &before);
 *     ... BEGIN, and a read ...
 *     log_mark_read(db, &mark);          // log_mark_same: this transaction's
 *     p = pages_open(db, &mark);         // NULL: use SQL
 *     if (p != NULL && pages_read(p, 2, buf)) ...
 *     pages_close(p);
 *
 * Formats: https://www.sqlite.org/fileformat.html and walformat.html.
 */
#ifndef SYNC_PAGES_H
#define SYNC_PAGES_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

/* The head of a log's index: other bytes, other content.  All zero without a
 * log, and when it cannot be told.
 * https://www.sqlite.org/walformat.html section 2.1 */
struct log_mark {
    uint8_t head[48];
    uint32_t written_back; /* frames of the log that are in the file as well */
};

/* Whether DB is in WAL mode, in its open read transaction. */
bool database_has_log(sqlite3 *db);
/* In a read transaction, or right after one on the same connection. */
void log_mark_read(sqlite3 *db, struct log_mark *mark);
bool log_mark_is_set(const struct log_mark *mark);
/* Frames in the log. */
uint32_t log_mark_frames(const struct log_mark *mark);
/* Whether both are set and nobody committed between the two. */
bool log_mark_same(const struct log_mark *a, const struct log_mark *b);

/* The pages of DB's open read transaction, valid until it ends.  A database in
 * WAL mode needs MARK, read before that transaction began and found the same
 * after.  NULL when they cannot be read so: a write transaction, no mark, a log
 * beyond a million frames, a header that is not understood. */
struct pages;
struct pages *pages_open(sqlite3 *db, const struct log_mark *mark);
void pages_close(struct pages *p);
/* Bytes of a page, and those of them that are used. */
uint32_t pages_size(const struct pages *p);
uint32_t pages_usable(const struct pages *p);
/* 1 UTF-8, 2 UTF-16le, 3 UTF-16be. */
uint32_t pages_encoding(const struct pages *p);
/* Of the database. */
uint32_t pages_count(const struct pages *p);
/* Copies page NUMBER, counted from 1, into DATA of pages_size bytes. */
bool pages_read(struct pages *p, uint32_t number, uint8_t *data);

#endif

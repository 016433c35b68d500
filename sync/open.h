/*
 * Opening databases the one safe way: defensive on, trusted schema off,
 * extensions off, synchronous FULL, and a busy handler of our own that sleeps
 * 0.5 ms at a time up to a deadline (sqlite3_busy_timeout starves for seconds
 * beside a tight writer).  After stop_request no statement goes on for long.
 */
#ifndef SYNC_OPEN_H
#define SYNC_OPEN_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum open_mode {
    OPEN_READ,  /* read-only connection to an existing file */
    OPEN_WRITE, /* read-write, must exist */
    OPEN_CREATE /* read-write, created as WAL if absent */
};

/* Opens PATH.  WAIT_MS is the busy deadline.  The caller closes with
 * database_close (NULL is fine). */
int database_open(sqlite3 **db, const char *path, enum open_mode mode,
    int wait_ms, struct err *e);
void database_close(sqlite3 *db);
/* The same without writing the log back or removing it: for a connection whose
 * files were replaced or removed, which would write into their successors. */
void database_abandon(sqlite3 *db);
/* The inode of the index of PATH's log, 0 when there is none.  SQLite does not
 * notice when it is removed under an open connection, which from then on reads
 * a log of its own. */
ino_t database_shm_inode(const char *path);
/* The inode of the log itself. */
ino_t database_log_inode(const char *path);
/* Changes the deadline of a connection made by database_open. */
void database_set_wait(sqlite3 *db, int wait_ms);
/* sqlite3_exec with the library's error in E (ERR_BUSY, ERR_NO_SPACE,
 * ERR_CORRUPT, ERR_IO, ERR_CANCELLED after stop_request, or ERR_INTERNAL, by
 * result code). */
int database_exec(sqlite3 *db, const char *sql, struct err *e);
/* Sets E from the connection's last error; returns -1. */
int database_error(sqlite3 *db, struct err *e, const char *doing);
int database_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **stmt,
    struct err *e);
/* What every publish and push asks is prepared once for each connection: SQL
 * begins with KEPT; database_give makes the statement ready for the next to
 * take, and database_close ends it. */
#define KEPT "/*kept*/"
int database_take(sqlite3 *db, const char *sql, sqlite3_stmt **stmt,
    struct err *e);
void database_give(sqlite3_stmt *stmt);
/* For rows that are taken as they are: no trigger, foreign key or CHECK of the
 * application's acts on DB, and none of the functions they call is needed. */
int database_suspend_rules(sqlite3 *db, struct err *e);
/* Whether the shadow tables of virtual tables may be written directly, which a
 * defensive connection refuses. */
void database_allow_shadows(sqlite3 *db, bool allow);
/* Room in memory for the pages of a transaction of some thousand rows, until it
 * is taken back; without it those that were read are read again and again. */
void database_make_room(sqlite3 *db, bool room);
/* Pages that are not in use are given up. */
void database_drop_pages(sqlite3 *db);
/* Rolls back if a transaction is open. */
void database_rollback(sqlite3 *db);
/* PRAGMA data_version, schema_version. */
int database_data_version(sqlite3 *db, uint32_t *version, struct err *e);
int database_schema_cookie(sqlite3 *db, uint32_t *cookie, struct err *e);
/* SQLITE_FCNTL_HAS_MOVED. */
bool database_has_moved(sqlite3 *db);
/* Flushes the WAL, best effort (mode e.g. SQLITE_CHECKPOINT_PASSIVE). */
int database_checkpoint(sqlite3 *db, int mode, bool *complete, struct err *e);

#endif

/*
 * The database that ProFTPD reads: users.db, ours and no dataset.  It is
 * written in place while ProFTPD reads it, and made anew only when it is
 * missing or damaged.
 *
 *     users      name password uid gid home shell expires (UTC s; 0: never)
 *     members    member groupname gid: a row for each member of a group
 *     keys       name key: one key, as RFC 4716 writes it
 *     active_keys   the same, of those whose time is not over
 *     remembered what value: what the next run has to know
 */
#ifndef CONTRIB_PROFTPD_USER_FILE_H
#define CONTRIB_PROFTPD_USER_FILE_H

#include <sqlite3.h>
#include <stdbool.h>

#include "base/err.h"

/* Opens PATH, making it when there is none; *ANEW says so.  One that is damaged
 * is moved to PATH.damaged.  ERR_EXISTS when it is somebody else's. */
int user_file_open(sqlite3 **db, const char *path, bool *anew, struct err *e);
/* What is remembered under WHAT, a fresh string or NULL when nothing is. */
int user_file_recall(sqlite3 *db, const char *what, char **value,
    struct err *e);
/* Remembers VALUE, NULL for nothing; within the open transaction, if any. */
int user_file_remember(sqlite3 *db, const char *what, const char *value,
    struct err *e);

#endif

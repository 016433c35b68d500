/*
 * Who holds the lock that somebody waits for.
 */
#ifndef SYNC_BLOCKER_H
#define SYNC_BLOCKER_H

#include <stddef.h>

#include "base/err.h"

/* "sqlite3 (pid 17)" for the process that holds a lock on the database at PATH
 * which stops a writer (a reader of a database without WAL, too); "" when none
 * is found.  Looks at /proc/locks; opens no database. */
void blocker_find(const char *path, char *out, size_t size);
/* Sets ERR_BUSY that names who locks the database at PATH, and what to do. */
int blocker_explain(const char *path, struct err *e);

#endif

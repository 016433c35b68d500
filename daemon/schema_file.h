/*
 * A new database file with a schema: made beside its place, complete, then
 * renamed into it.
 */
#ifndef DAEMON_SCHEMA_FILE_H
#define DAEMON_SCHEMA_FILE_H

#include "base/err.h"

/* Creates PATH (0600, WAL) by running PARTS (SQL, NULL-terminated list) in one
 * transaction, with Lockstep's application_id and user_version 1.  ERR_EXISTS
 * when PATH is there.  Blocks. */
int schema_file_create(const char *path, const char *const *parts,
    struct err *e);

#endif

/*
 * The schema of the built-in dataset "admins": who administers the cluster.
 */
#ifndef DAEMON_ADMINS_SCHEMA_H
#define DAEMON_ADMINS_SCHEMA_H

#include "base/err.h"

/* Creates PATH (0600, WAL) with the schema: complete or not at all, whenever
 * the process dies.  ERR_EXISTS when PATH is there already.  Blocks. */
int admins_schema_create(const char *path, struct err *e);

#endif

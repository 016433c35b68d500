/*
 * The schema of the built-in dataset "config": users, keys, groups, folders,
 * address rules and settings of the SFTP service.  Its constraints are the
 * rules; the commands only translate what they refuse (config_constraint.h).
 *
 * Every "expires" is UTC in seconds, in users, in ip_rules and in the table
 * filter_rules of the node store; NULL is never.
 */
#ifndef DAEMON_CONFIG_SCHEMA_H
#define DAEMON_CONFIG_SCHEMA_H

#include "base/err.h"

/* Creates PATH (0600, WAL) with the schema: complete or not at all, whenever
 * the process dies.  ERR_EXISTS when PATH is there already.  Blocks. */
int config_schema_create(const char *path, struct err *e);

#endif

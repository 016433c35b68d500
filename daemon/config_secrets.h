/*
 * What is never shown of a row: the columns of the built-in datasets that hold
 * secrets, and, in anybody's tables, what is secret by its name or its looks.
 * Rather too much is hidden than too little.
 */
#ifndef DAEMON_CONFIG_SECRETS_H
#define DAEMON_CONFIG_SECRETS_H

#include "sync/change_json.h"

/* As EXTRA: every column of every table. */
#define CONFIG_SECRETS_ALL "*"

/* The rules for a dataset; EXTRA (may be NULL) lists more columns as
 * "TABLE.COLUMN, TABLE.COLUMN", and is borrowed. */
struct change_secrets config_secrets(const char *extra);

#endif

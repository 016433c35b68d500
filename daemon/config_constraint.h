/*
 * What SQLite refuses, said in sentences: the names of the constraints of
 * config_schema.c and admins_schema.c are the keys.
 */
#ifndef DAEMON_CONFIG_CONSTRAINT_H
#define DAEMON_CONFIG_CONSTRAINT_H

#include <sqlite3.h>

#include "base/err.h"

/* Sets E from the connection's last error: ERR_EXISTS or ERR_INVALID with what
 * is allowed as hint for a constraint; as database_error else.  Returns -1. */
int config_refusal(sqlite3 *db, struct err *e);

#endif

/*
 * What takes one change of the filter's rules back, as JSON that is kept over a
 * restart: {"delete": ID}, {"move": ID, "at": INDEX}, or {"insert": {columns},
 * "at": INDEX}, INDEX from 0 among the rules of the table.
 */
#ifndef DAEMON_FILTER_UNDO_H
#define DAEMON_FILTER_UNDO_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdint.h>

#include "base/err.h"

json_t *filter_undo_add(int64_t id);
/* Before the rule is moved, or removed; NULL with E. */
json_t *filter_undo_move(sqlite3 *db, const char *table, int64_t id,
    struct err *e);
json_t *filter_undo_remove(sqlite3 *db, const char *table, int64_t id,
    struct err *e);
/* In a transaction of the caller's.  A rule that is gone meanwhile is no
 * error. */
int filter_undo_run(sqlite3 *db, const char *table, const json_t *undo,
    struct err *e);

#endif

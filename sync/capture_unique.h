/*
 * The rows that a table's new values collide with, as SQL conditions: one per
 * unique index, true for the rows that REPLACE would evict.  Internal to
 * capture.
 */
#ifndef SYNC_CAPTURE_UNIQUE_H
#define SYNC_CAPTURE_UNIQUE_H

#include <sqlite3.h>

#include "base/err.h"
#include "sync/schema.h"

struct collisions {
    char **conditions; /* over the table's rows and NEW */
    size_t count;
    const char *refused; /* static text: why they cannot be written, or NULL */
};

int collisions_load(struct collisions *c, sqlite3 *db, const struct schema *s,
    const struct table *t, struct err *e);
void collisions_release(struct collisions *c);

#endif

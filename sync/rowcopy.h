/*
 * A database made anew from another object by object and row by row, where a
 * copy of its pages would carry more than is meant to be there.
 *
 *     rowcopy_tables(to, schema, e);
 *     for each table: rowcopy_rows(to, from, table, ROWCOPY_REPLICATED, e);
 *     rowcopy_dependants(to, schema, e);
 *
 * All in the caller's transactions; ERR_CANCELLED when a stop was requested.
 */
#ifndef SYNC_ROWCOPY_H
#define SYNC_ROWCOPY_H

#include <sqlite3.h>

#include "base/err.h"
#include "sync/schema.h"

enum rowcopy_extent {
    ROWCOPY_REPLICATED, /* what is sent, and fillers */
    ROWCOPY_ALL         /* protected columns and rows too */
};

/* Executes the texts of S's tables; virtual tables make their shadow tables. */
int rowcopy_tables(sqlite3 *to, const struct schema *s, struct err *e);
/* The same of its indexes, views and triggers. */
int rowcopy_dependants(sqlite3 *to, const struct schema *s, struct err *e);
/* Appends FROM's rows of T to those in TO; shadow tables are emptied first. */
int rowcopy_rows(sqlite3 *to, sqlite3 *from, const struct table *t,
    enum rowcopy_extent extent, struct err *e);

#endif

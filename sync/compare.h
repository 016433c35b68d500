/*
 * Finding differences without triggers: both files walked in key order.
 */
#ifndef SYNC_COMPARE_H
#define SYNC_COMPARE_H

#include <sqlite3.h>

#include "base/buf.h"
#include "base/err.h"
#include "sync/change.h"
#include "sync/pages.h"
#include "sync/schema.h"

/* Where changes go of which there may be any number. */
struct compare_drain {
    /* Takes what was found so far out of SET, which is emptied then. */
    int (*take)(void *ctx, struct change_set *set, struct err *e);
    /* A change that is more than MAX_BYTES by itself: OP '+', '-' or '~'. */
    int (*take_large)(void *ctx, char op, const struct table *t,
        const struct buf *key, struct err *e);
    void *ctx;
};

/* How to compare; all zero is fine. */
struct compare_how {
    size_t max_bytes; /* of changes; 0: no limit */
    /* Of exactly these read transactions (sync/pages.h): then stored bytes are
     * compared first, except where changes are drained.  NULL: every row is
     * read by SQL. */
    const struct log_mark *old_log, *new_log;
    /* Asked often; if it says so the other is called, with no statement open on
     * NEW: it may end the read transaction there, and begin another one of the
     * same content.  NULL: no pauses. */
    bool (*pause_is_due)(void *ctx);
    int (*pause)(void *ctx, struct err *e);
    void *ctx;
    const struct compare_drain *drain; /* NULL: fails beyond MAX_BYTES */
};

/* Adds to SET how to get from OLD's rows to NEW's in table T, which both have
 * with the same replicated columns; stops with ERR_INVALID beyond MAX_BYTES of
 * changes (0: no limit).  Each connection is in a read transaction. */
int compare_table(sqlite3 *old, sqlite3 *new, const struct table *t,
    struct change_set *set, size_t max_bytes, struct err *e);
/* The same for every table that both schemas have alike; a table that only one
 * of them has, or that differs in columns, is compared as if empty on the other
 * side. */
int compare_databases(sqlite3 *old, const struct schema *old_schema,
    sqlite3 *new, const struct schema *new_schema, struct change_set *set,
    size_t max_bytes, struct err *e);
int compare_databases_how(sqlite3 *old, const struct schema *old_schema,
    sqlite3 *new, const struct schema *new_schema, struct change_set *set,
    const struct compare_how *how, struct err *e);

#endif

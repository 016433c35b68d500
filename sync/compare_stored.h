/*
 * Comparing a table by the bytes in which its rows are stored, past SQLite's
 * machine, which costs most of the time when hardly anything differs.
 */
#ifndef SYNC_COMPARE_STORED_H
#define SYNC_COMPARE_STORED_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "sync/pages.h"
#include "sync/schema.h"

struct stored_walk {
    sqlite3 *old, *new;
    /* Of exactly their read transactions. */
    const struct log_mark *old_log, *new_log;
    /* A row that one of them has, or that both store otherwise. */
    int (*look_up)(void *ctx, int64_t rowid, bool *equal, struct err *e);
    /* Called every few pages, while nothing is open on either side: may end the
     * read transactions and begin others of the same content. */
    int (*breathe)(void *ctx, struct err *e);
    void *ctx;
};

/* Calls LOOK_UP for the rows of T, in key order, that are not stored in the
 * same bytes under the same definition: all others are equal.  Returns 1 when
 * the table cannot be compared so, or when that is a waste, perhaps after some
 * calls;
 * -1 with E, also from LOOK_UP. */
int stored_compare(const struct stored_walk *w, const struct table *t,
    struct err *e);

#endif

/*
 * Keeps a change of the filter from shutting out whoever makes it, or the
 * primary that this node belongs to.
 *
 *     filter_guard_set(&guard, engine, caller, cluster);   // on the loop
 *     ... change TABLE in a transaction ...
 *     if (filter_guard_check(&guard, db, table, &e) != 0)  // roll back
 */
#ifndef DAEMON_FILTER_GUARD_H
#define DAEMON_FILTER_GUARD_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "ipfilter/ruleset.h"

struct engine;

/* Addresses that the filter lets in now; the sets after the one that changes
 * decide about them when that one says nothing. */
struct filter_guard {
    struct guarded {
        struct ip_address address;
        const char *who;
        bool allowed_otherwise;
    } guarded[2];
    size_t count;
};

/* CALLER is the address of who asks, as text; what is no address is nobody's.
 * CLUSTER: the cluster's rules change, else the node's own. */
void filter_guard_set(struct filter_guard *guard, const struct engine *engine,
    const char *caller, bool cluster);
/* ERR_INVALID names who would be shut out by what TABLE says now. */
int filter_guard_check(const struct filter_guard *guard, sqlite3 *db,
    const char *table, struct err *e);

#endif

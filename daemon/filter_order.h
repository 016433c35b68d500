/*
 * The order of rules in a table: column position, with gaps, so that a rule
 * added or moved anywhere is one changed row to push, however many there are.
 * Ties, which other writers may leave, are broken by id.
 */
#ifndef DAEMON_FILTER_ORDER_H
#define DAEMON_FILTER_ORDER_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct filter_order {
    struct filter_place {
        int64_t id;
        int64_t position;
    } * places;
    size_t count;
};

/* Reads TABLE; more than FILTER_RULES_MAX rules are ERR_INVALID.
 * filter_order_release() frees, also after an error. */
int filter_order_read(sqlite3 *db, const char *table,
    struct filter_order *order, struct err *e);
void filter_order_release(struct filter_order *order);
/* The position of a rule that comes after all others. */
int64_t filter_order_last(const struct filter_order *order);
/* Moves the rule at FROM to TO (both from 0, below count), in TABLE too. */
int filter_order_move(sqlite3 *db, const char *table,
    struct filter_order *order, size_t from, size_t to, struct err *e);

#endif

/*
 * Positions with gaps: a rule takes the middle of the gap that it moves into;
 * where there is none, all positions are written anew.
 */
#include "daemon/filter_order.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "daemon/config_constraint.h"
#include "daemon/filter.h"
#include "sync/open.h"

/* Room for a million rules before the first one, and twenty halvings between
 * any two. */
#define POSITION_FIRST ((int64_t)1 << 40)
#define POSITION_STEP ((int64_t)1 << 20)

int
filter_order_read(sqlite3 *db, const char *table, struct filter_order *order,
    struct err *e)
{
    char *sql = alloc_format("SELECT id, position FROM %s"
                             " ORDER BY position, id",
        table);
    sqlite3_stmt *stmt = NULL;
    int rc = SQLITE_ERROR;

    memset(order, 0, sizeof(*order));
    if (database_prepare(db, sql, &stmt, e) != 0)
        goto out;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW &&
           order->count < FILTER_RULES_MAX) {
        size_t n = order->count++;

        if ((n & (n - 1)) == 0)
            order->places = alloc_resize(order->places, n == 0 ? 1 : 2 * n,
                sizeof(*order->places));
        order->places[n].id = sqlite3_column_int64(stmt, 0);
        order->places[n].position = sqlite3_column_int64(stmt, 1);
    }
    if (rc == SQLITE_ROW)
        err_set(e, ERR_INVALID, "there are more than %d rules",
            FILTER_RULES_MAX);
    else if (rc != SQLITE_DONE)
        config_refusal(db, e);
out:
    sqlite3_finalize(stmt);
    free(sql);
    return rc == SQLITE_DONE ? 0 : -1;
}

void
filter_order_release(struct filter_order *order)
{
    free(order->places);
    memset(order, 0, sizeof(*order));
}

int64_t
filter_order_last(const struct filter_order *order)
{
    int64_t last;

    if (order->count == 0)
        return POSITION_FIRST;
    last = order->places[order->count - 1].position;
    return last < INT64_MAX - POSITION_STEP ? last + POSITION_STEP : last;
}

/* A position between the neighbours of the rule at INDEX; false without room.
 */
static bool
position_between(const struct filter_order *order, size_t index, int64_t *at)
{
    int64_t low = index > 0 ? order->places[index - 1].position : 0;
    int64_t high = index + 1 < order->count ? order->places[index + 1].position
                                            : INT64_MAX;

    if (low < 0 || high < 2 || low > high - 2)
        return false;
    if (high == INT64_MAX && low < INT64_MAX - POSITION_STEP)
        *at = low + POSITION_STEP;
    else if (index == 0 && high > POSITION_STEP)
        *at = high - POSITION_STEP;
    else
        *at = low + (high - low) / 2;
    return true;
}

/* Writes the positions of COUNT places where the table has others. */
static int
write_places(sqlite3 *db, const char *table, const struct filter_place *places,
    size_t count, struct err *e)
{
    char *sql = alloc_format("UPDATE %s SET position = ?1"
                             " WHERE id = ?2 AND position <> ?1",
        table);
    sqlite3_stmt *stmt = NULL;
    int r = database_prepare(db, sql, &stmt, e);

    for (size_t i = 0; r == 0 && i < count; i++) {
        sqlite3_bind_int64(stmt, 1, places[i].position);
        sqlite3_bind_int64(stmt, 2, places[i].id);
        if (sqlite3_step(stmt) != SQLITE_DONE)
            r = config_refusal(db, e);
        sqlite3_reset(stmt);
    }
    sqlite3_finalize(stmt);
    free(sql);
    return r;
}

/* Moves the element at FROM to TO. */
static void
shift(struct filter_place *places, size_t from, size_t to)
{
    struct filter_place moved = places[from];

    if (from < to)
        memmove(places + from, places + from + 1,
            (to - from) * sizeof(*places));
    else
        memmove(places + to + 1, places + to, (from - to) * sizeof(*places));
    places[to] = moved;
}

int
filter_order_move(sqlite3 *db, const char *table, struct filter_order *order,
    size_t from, size_t to, struct err *e)
{
    int64_t at;

    if (from == to)
        return 0;
    shift(order->places, from, to);
    if (position_between(order, to, &at)) {
        order->places[to].position = at;
        return write_places(db, table, &order->places[to], 1, e);
    }
    for (size_t i = 0; i < order->count; i++)
        order->places[i].position = POSITION_FIRST + (int64_t)i * POSITION_STEP;
    return write_places(db, table, order->places, order->count, e);
}

/*
 * Changes of rules, taken back.
 */
#include "daemon/filter_undo.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "daemon/config_row.h"
#include "daemon/filter_order.h"
#include "sync/open.h"

static const struct row_field columns[] = {
    { "id", "id", ROW_INT },
    { "position", "position", ROW_INT },
    { "action", "action", ROW_TEXT },
    { "address", "address", ROW_TEXT },
    { "scope", "scope", ROW_TEXT },
    { "comment", "comment", ROW_TEXT },
    { "expires", "expires", ROW_INT },
    { NULL, NULL, ROW_TEXT },
};

json_t *
filter_undo_add(int64_t id)
{
    return json_pack("{s:I}", "delete", (json_int_t)id);
}

/* Where the rule ID stands, from 0; count when it is not there. */
static size_t
index_of(const struct filter_order *order, int64_t id)
{
    size_t i = 0;

    while (i < order->count && order->places[i].id != id)
        i++;
    return i;
}

static int
find_index(sqlite3 *db, const char *table, int64_t id, size_t *index,
    struct err *e)
{
    struct filter_order order;
    int r = filter_order_read(db, table, &order, e);

    *index = index_of(&order, id);
    filter_order_release(&order);
    return r;
}

json_t *
filter_undo_move(sqlite3 *db, const char *table, int64_t id, struct err *e)
{
    size_t index;

    if (find_index(db, table, id, &index, e) != 0)
        return NULL;
    return json_pack("{s:I,s:I}", "move", (json_int_t)id, "at",
        (json_int_t)index);
}

json_t *
filter_undo_remove(sqlite3 *db, const char *table, int64_t id, struct err *e)
{
    char *sql = alloc_format("SELECT id, position, action, address, scope,"
                             " comment, expires FROM %s WHERE id = ?1",
        table);
    sqlite3_stmt *stmt = NULL;
    json_t *rows = NULL;
    json_t *undo = NULL;
    size_t index;

    if (row_query(db, sql, id, &stmt, e) == 0 &&
        row_json_all(db, stmt, columns, &rows, e) == 0 &&
        find_index(db, table, id, &index, e) == 0)
        undo = json_pack("{s:O*,s:I}", "insert", json_array_get(rows, 0), "at",
            (json_int_t)index);
    json_decref(rows);
    free(sql);
    return undo;
}

/* Brings the rule ID to INDEX, or as near as there are rules. */
static int
move_to(sqlite3 *db, const char *table, int64_t id, json_int_t index,
    struct err *e)
{
    struct filter_order order;
    int r = filter_order_read(db, table, &order, e);
    size_t from = index_of(&order, id);
    size_t to = index > 0 ? (size_t)index : 0;

    if (r == 0 && from < order.count)
        r = filter_order_move(db, table, &order, from,
            to < order.count ? to : order.count - 1, e);
    filter_order_release(&order);
    return r;
}

static int
put_back(sqlite3 *db, const char *table, const json_t *row, struct err *e)
{
    struct row values = ROW_INIT;
    int64_t id;

    for (const struct row_field *f = columns; f->column != NULL; f++) {
        const json_t *value = json_object_get(row, f->member);

        if (json_is_integer(value))
            row_put_int(&values, f->column, json_integer_value(value));
        else if (json_is_string(value))
            row_put_text(&values, f->column, json_string_value(value));
    }
    return row_insert(db, table, &values, &id, e);
}

int
filter_undo_run(sqlite3 *db, const char *table, const json_t *undo,
    struct err *e)
{
    const json_t *row = json_object_get(undo, "insert");
    const json_t *moved = json_object_get(undo, "move");
    const json_t *added = json_object_get(undo, "delete");
    json_int_t at = json_integer_value(json_object_get(undo, "at"));

    if (added != NULL) {
        if (row_delete(db, table, json_integer_value(added), "the rule", e) !=
                0 &&
            e->code != ERR_NOT_FOUND)
            return -1;
        err_clear(e);
        return 0;
    }
    if (moved != NULL)
        return move_to(db, table, json_integer_value(moved), at, e);
    if (row == NULL)
        return 0;
    if (put_back(db, table, row, e) != 0)
        return -1;
    return move_to(db, table, json_integer_value(json_object_get(row, "id")),
        at, e);
}

/*
 * Rows between JSON and SQL.
 */
#include "daemon/config_row.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "daemon/config_constraint.h"
#include "sync/open.h"

void
row_put_text(struct row *row, const char *column, const char *text)
{
    assert(row->count < ROW_MAX);
    row->values[row->count].column = column;
    row->values[row->count].text = text;
    row->values[row->count].null = text == NULL;
    row->count++;
}

void
row_put_int(struct row *row, const char *column, int64_t number)
{
    row_put_text(row, column, NULL);
    row->values[row->count - 1].null = false;
    row->values[row->count - 1].number = number;
}

bool
row_has(const struct row *row, const char *column)
{
    for (size_t i = 0; i < row->count; i++)
        if (strcmp(row->values[i].column, column) == 0)
            return true;
    return false;
}

static int
take_text(struct row *row, const struct row_field *field, const json_t *args,
    struct err *e)
{
    const char *text = NULL;

    if (json_member_string(args, field->member, true, &text, e) != 0)
        return -1;
    row_put_text(row, field->column, text[0] != '\0' ? text : NULL);
    return 0;
}

static int
take_int(struct row *row, const struct row_field *field, const json_t *args,
    struct err *e)
{
    int64_t number = 0;

    if (json_member_int(args, field->member, true, &number, e) != 0)
        return -1;
    row_put_int(row, field->column, number);
    return 0;
}

static int
take_bool(struct row *row, const struct row_field *field, const json_t *args,
    struct err *e)
{
    bool value = false;

    if (json_member_bool(args, field->member, true, &value, e) != 0)
        return -1;
    row_put_int(row, field->column, value ? 1 : 0);
    return 0;
}

static int
take_time(struct row *row, const struct row_field *field, const json_t *args,
    struct err *e)
{
    const char *text = NULL;
    int64_t utc_ms = 0;

    if (json_member_string(args, field->member, true, &text, e) != 0)
        return -1;
    if (text[0] == '\0' || strcmp(text, "never") == 0) {
        row_put_text(row, field->column, NULL);
        return 0;
    }
    if (clock_parse(text, &utc_ms, e) != 0)
        return err_wrap(e, "%s", field->member);
    row_put_int(row, field->column, utc_ms / 1000);
    return 0;
}

int
row_take(struct row *row, const struct row_field *fields, const json_t *args,
    struct err *e)
{
    static int (*const takers[])(struct row *, const struct row_field *,
        const json_t *, struct err *) = {
        [ROW_TEXT] = take_text,
        [ROW_INT] = take_int,
        [ROW_BOOL] = take_bool,
        [ROW_TIME] = take_time,
    };

    for (; fields->member != NULL; fields++)
        if (json_member(args, fields->member) != NULL &&
            takers[fields->kind](row, fields, args, e) != 0)
            return -1;
    return 0;
}

static void
bind_row(sqlite3_stmt *stmt, const struct row *row)
{
    for (size_t i = 0; i < row->count; i++) {
        int index = (int)i + 1;

        if (row->values[i].null)
            sqlite3_bind_null(stmt, index);
        else if (row->values[i].text != NULL)
            sqlite3_bind_text(stmt, index, row->values[i].text, -1,
                SQLITE_STATIC);
        else
            sqlite3_bind_int64(stmt, index, row->values[i].number);
    }
}

/* Prepares SQL, whose buffer it releases, binds and runs it. */
static int
run(sqlite3 *db, struct buf *sql, const struct row *row, int64_t id,
    struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int r;

    buf_put_u8(sql, 0);
    r = database_prepare(db, (const char *)sql->data, &stmt, e);
    buf_release(sql);
    if (r != 0)
        return -1;
    bind_row(stmt, row);
    if (id >= 0)
        sqlite3_bind_int64(stmt, (int)row->count + 1, id);
    if (sqlite3_step(stmt) != SQLITE_DONE)
        r = config_refusal(db, e);
    sqlite3_finalize(stmt);
    return r;
}

int
row_insert(sqlite3 *db, const char *table, const struct row *row, int64_t *id,
    struct err *e)
{
    struct buf sql = BUF_INIT;

    buf_printf(&sql, "INSERT INTO %s (", table);
    for (size_t i = 0; i < row->count; i++)
        buf_printf(&sql, "%s%s", i > 0 ? ", " : "", row->values[i].column);
    buf_printf(&sql, ") VALUES (");
    for (size_t i = 0; i < row->count; i++)
        buf_printf(&sql, "%s?", i > 0 ? ", " : "");
    buf_printf(&sql, ")");
    if (run(db, &sql, row, -1, e) != 0)
        return -1;
    *id = sqlite3_last_insert_rowid(db);
    return 0;
}

int
row_update(sqlite3 *db, const char *table, int64_t id, const struct row *row,
    struct err *e)
{
    struct buf sql = BUF_INIT;

    if (row->count == 0) {
        err_set(e, ERR_INVALID, "nothing to change was given");
        err_hint(e, "Give at least one option.");
        return -1;
    }
    buf_printf(&sql, "UPDATE %s SET ", table);
    for (size_t i = 0; i < row->count; i++)
        buf_printf(&sql, "%s%s = ?", i > 0 ? ", " : "", row->values[i].column);
    buf_printf(&sql, " WHERE id = ?");
    return run(db, &sql, row, id, e);
}

int
row_delete(sqlite3 *db, const char *table, int64_t id, const char *what,
    struct err *e)
{
    struct buf sql = BUF_INIT;
    struct row none = ROW_INIT;

    buf_printf(&sql, "DELETE FROM %s WHERE id = ?", table);
    if (run(db, &sql, &none, id, e) != 0)
        return -1;
    if (sqlite3_changes(db) == 0)
        return err_set(e, ERR_NOT_FOUND, "%s does not exist", what);
    return 0;
}

int
row_find(sqlite3 *db, const char *table, const char *what, const char *name,
    int64_t *id, struct err *e)
{
    struct buf sql = BUF_INIT;
    sqlite3_stmt *stmt = NULL;
    int rc, r;

    buf_printf(&sql, "SELECT id FROM %s WHERE name = ?", table);
    buf_put_u8(&sql, 0);
    r = database_prepare(db, (const char *)sql.data, &stmt, e);
    buf_release(&sql);
    if (r != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        *id = sqlite3_column_int64(stmt, 0);
    } else if (rc == SQLITE_DONE) {
        r = err_set(e, ERR_NOT_FOUND, "%s \"%s\" does not exist", what, name);
        err_hint(e, "\"lockstep %s list\" shows what there is.",
            strcmp(what, "administrator") == 0 ? "admin" : what);
    } else {
        r = config_refusal(db, e);
    }
    sqlite3_finalize(stmt);
    return r;
}

int
row_query(sqlite3 *db, const char *sql, int64_t id, sqlite3_stmt **stmt,
    struct err *e)
{
    if (database_prepare(db, sql, stmt, e) != 0)
        return -1;
    if (id >= 0)
        sqlite3_bind_int64(*stmt, 1, id);
    return 0;
}

int
row_number(sqlite3 *db, const char *sql, int64_t id, int64_t otherwise,
    int64_t *number, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc, r = 0;

    if (row_query(db, sql, id, &stmt, e) != 0)
        return -1;
    *number = otherwise;
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
        *number = sqlite3_column_int64(stmt, 0);
    else if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        r = config_refusal(db, e);
    sqlite3_finalize(stmt);
    return r;
}

static json_t *
column_json(sqlite3_stmt *stmt, int column, enum row_kind kind)
{
    if (sqlite3_column_type(stmt, column) == SQLITE_NULL)
        return json_null();
    switch (kind) {
    case ROW_TEXT:
        return json_text((const char *)sqlite3_column_text(stmt, column));
    case ROW_INT:
        return json_integer(sqlite3_column_int64(stmt, column));
    case ROW_BOOL:
        return json_boolean(sqlite3_column_int64(stmt, column) != 0);
    case ROW_TIME:
        return json_time(sqlite3_column_int64(stmt, column) * 1000);
    }
    return json_null();
}

json_t *
row_json(sqlite3_stmt *stmt, const struct row_field *fields)
{
    json_t *object = json_object();

    for (int i = 0; fields[i].member != NULL; i++)
        json_object_set_new(object, fields[i].member,
            column_json(stmt, i, fields[i].kind));
    return object;
}

int
row_json_all(sqlite3 *db, sqlite3_stmt *stmt, const struct row_field *fields,
    json_t **array, struct err *e)
{
    int rc, r = 0;

    *array = json_array();
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        json_array_append_new(*array, row_json(stmt, fields));
    if (rc != SQLITE_DONE) {
        r = config_refusal(db, e);
        json_decref(*array);
        *array = NULL;
    }
    sqlite3_finalize(stmt);
    return r;
}

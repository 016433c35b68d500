/*
 * Objects made from their text, rows moved from one connection to another.
 */
#include "sync/rowcopy.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/stop.h"
#include "sync/ddl.h"
#include "sync/large_row.h"
#include "sync/open.h"

static int
make_objects(sqlite3 *to, const struct schema *s, const char *type,
    struct err *e)
{
    for (size_t i = 0; i < s->object_count; i++) {
        const struct schema_object *o = &s->objects[i];

        if (strcmp(o->type, type) == 0 && !o->is_shadow &&
            ddl_make_object(to, s, o, e) != 0)
            return -1;
    }
    return 0;
}

int
rowcopy_tables(sqlite3 *to, const struct schema *s, struct err *e)
{
    return make_objects(to, s, "table", e);
}

int
rowcopy_dependants(sqlite3 *to, const struct schema *s, struct err *e)
{
    return make_objects(to, s, "index", e) != 0 ||
                   make_objects(to, s, "view", e) != 0 ||
                   make_objects(to, s, "trigger", e) != 0
               ? -1
               : 0;
}

/* A table's rows under way. */
struct row_copy {
    sqlite3 *to, *from;
    const struct table *t;
    enum rowcopy_extent extent;
    char **columns; /* T's names; those that are copied */
    int count;
    sqlite3_stmt *select; /* they, and the rowid of tables that have one */
    sqlite3_stmt *insert;
    bool behind; /* rows behind ROWID are read */
    int64_t rowid;
};

static void
list_columns(struct row_copy *c)
{
    const struct table *t = c->t;

    c->columns =
        alloc_zeroed(1 + (size_t)t->column_count + (size_t)t->kept_count,
            sizeof(*c->columns));
    if (!t->without_rowid && !t->rowid_is_column)
        c->columns[c->count++] = t->rowid_name;
    for (int i = 0; i < t->column_count; i++)
        c->columns[c->count++] = t->columns[i].name;
    for (int i = 0; c->extent == ROWCOPY_ALL && i < t->kept_count; i++)
        c->columns[c->count++] = t->kept[i].name;
}

static void
put_columns(struct buf *b, const struct row_copy *c)
{
    for (int i = 0; i < c->count; i++) {
        if (i > 0)
            buf_printf(b, ",");
        sql_put_name(b, c->columns[i]);
    }
}

/* Rows behind ?1, in order; or all, in any. */
static int
prepare_select(struct row_copy *c, struct err *e)
{
    const struct table *t = c->t;
    struct buf b = BUF_INIT;
    int r;

    sqlite3_finalize(c->select);
    c->select = NULL;
    buf_printf(&b, "SELECT ");
    put_columns(&b, c);
    if (!t->without_rowid) {
        buf_printf(&b, ",");
        sql_put_name(&b, t->rowid_name);
    }
    buf_printf(&b, " FROM main.");
    sql_put_name(&b, t->name);
    if (!t->without_rowid) {
        buf_printf(&b, " WHERE ");
        sql_put_name(&b, t->rowid_name);
        buf_printf(&b, c->behind ? ">?1" : ">=?1");
    }
    if (c->extent == ROWCOPY_REPLICATED)
        table_put_filter(&b, t, t->without_rowid ? " WHERE " : " AND ");
    if (!t->without_rowid) {
        buf_printf(&b, " ORDER BY ");
        sql_put_name(&b, t->rowid_name);
    }
    buf_put_u8(&b, 0);
    r = database_prepare(c->from, (const char *)b.data, &c->select, e);
    if (r == 0 && !t->without_rowid)
        sqlite3_bind_int64(c->select, 1, c->behind ? c->rowid : INT64_MIN);
    buf_release(&b);
    return r;
}

static int
prepare_insert(struct row_copy *c, struct err *e)
{
    struct buf b = BUF_INIT;
    int r;

    buf_printf(&b, "INSERT OR ABORT INTO main.");
    sql_put_name(&b, c->t->name);
    buf_printf(&b, "(");
    put_columns(&b, c);
    if (c->extent == ROWCOPY_REPLICATED)
        table_put_fillers(&b, c->t, false);
    buf_printf(&b, ")VALUES(");
    for (int i = 1; i <= c->count; i++)
        buf_printf(&b, "%s?%d", i > 1 ? "," : "", i);
    if (c->extent == ROWCOPY_REPLICATED)
        table_put_fillers(&b, c->t, true);
    buf_printf(&b, ")");
    buf_put_u8(&b, 0);
    r = database_prepare(c->to, (const char *)b.data, &c->insert, e);
    buf_release(&b);
    return r;
}

static int
empty_table(sqlite3 *db, const struct table *t, struct err *e)
{
    char *name = sql_quote_name(t->name);
    char *sql = alloc_format("DELETE FROM main.%s", name);
    int r = database_exec(db, sql, e);

    free(sql);
    free(name);
    return r;
}

static int
copy_row(struct row_copy *c, struct err *e)
{
    int r = 0;

    for (int i = 0; r == 0 && i < c->count; i++)
        if (sqlite3_bind_value(c->insert, i + 1,
                sqlite3_column_value(c->select, i)) != SQLITE_OK)
            r = database_error(c->to, e, "could not copy a row");
    if (r == 0 && sqlite3_step(c->insert) != SQLITE_DONE)
        r = database_error(c->to, e, "could not copy a row");
    sqlite3_reset(c->insert);
    if (!c->t->without_rowid) {
        c->behind = true;
        c->rowid = sqlite3_column_int64(c->select, c->count);
    }
    return r;
}

/* A row was too large for SQLite's limit: the next one, or one before it that
 * is protected. */
static int
copy_large(struct row_copy *c, bool *found, struct err *e)
{
    struct table all = *c->t;

    if (c->extent == ROWCOPY_ALL)
        all.filter = NULL;
    if (large_row_find(c->from, &all, c->behind ? &c->rowid : NULL, found,
            &c->rowid, e) != 0)
        return -1;
    if (!*found)
        return 0;
    c->behind = true;
    return large_row_copy(c->to, c->from, c->t, c->rowid, c->insert, c->columns,
               c->count, e) != 0
               ? -1
               : prepare_select(c, e);
}

static int
move_rows(struct row_copy *c, struct err *e)
{
    bool more = true;
    int rc, r = 0;

    while (r == 0 && more) {
        r = stop_check(e);
        if (r != 0)
            break;
        /* Without a rowid SQLite holds the row anyhow. */
        rc = c->t->without_rowid ? sqlite3_step(c->select)
                                 : row_step(c->t, c->select, ROW_LARGE);
        if (rc == SQLITE_ROW)
            r = copy_row(c, e);
        else if (rc == SQLITE_TOOBIG)
            r = copy_large(c, &more, e);
        else if (rc != SQLITE_DONE)
            r = database_error(c->from, e, "could not read all rows");
        more = more && rc != SQLITE_DONE;
    }
    return r;
}

int
rowcopy_rows(sqlite3 *to, sqlite3 *from, const struct table *t,
    enum rowcopy_extent extent, struct err *e)
{
    struct row_copy c = { .to = to, .from = from, .t = t, .extent = extent };
    int r = -1;

    list_columns(&c);
    if ((!t->is_shadow || empty_table(to, t, e) == 0) &&
        prepare_select(&c, e) == 0 && prepare_insert(&c, e) == 0)
        r = move_rows(&c, e);
    if (r != 0)
        err_wrap(e, "table \"%s\"", t->name);
    sqlite3_finalize(c.select);
    sqlite3_finalize(c.insert);
    free(c.columns);
    return r;
}

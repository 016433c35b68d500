/*
 * Objects made from their text, rows moved from one connection to another.
 */
#include "sync/rowcopy.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/stop.h"
#include "sync/ddl.h"
#include "sync/open.h"

static int
make_objects(sqlite3 *to, const struct schema *s, const char *type,
    struct err *e)
{
    for (size_t i = 0; i < s->object_count; i++) {
        const struct schema_object *o = &s->objects[i];

        if (strcmp(o->type, type) == 0 && !o->is_shadow &&
            ddl_execute(to, o->sql, e) != 0)
            return err_wrap(e, "%s \"%s\"", type, o->name);
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

/* The columns that are copied; returns how many. */
static int
put_columns(struct buf *b, const struct table *t, enum rowcopy_extent extent)
{
    const char *separator = "";
    int count = 0;

    if (!t->without_rowid && !t->rowid_is_column) {
        sql_put_name(b, t->rowid_name);
        separator = ",";
        count++;
    }
    for (int i = 0; i < t->column_count; i++) {
        buf_printf(b, "%s", separator);
        sql_put_name(b, t->columns[i].name);
        separator = ",";
        count++;
    }
    for (int i = 0; extent == ROWCOPY_ALL && i < t->kept_count; i++) {
        buf_printf(b, ",");
        sql_put_name(b, t->kept[i].name);
        count++;
    }
    return count;
}

static char *
select_sql(const struct table *t, enum rowcopy_extent extent)
{
    struct buf b = BUF_INIT;
    size_t len;

    buf_printf(&b, "SELECT ");
    put_columns(&b, t, extent);
    buf_printf(&b, " FROM main.");
    sql_put_name(&b, t->name);
    if (extent == ROWCOPY_REPLICATED)
        table_put_filter(&b, t, " WHERE ");
    buf_put_u8(&b, 0);
    return (char *)buf_steal(&b, &len);
}

static char *
insert_sql(const struct table *t, enum rowcopy_extent extent, int *count)
{
    struct buf b = BUF_INIT;
    size_t len;

    buf_printf(&b, "INSERT OR ABORT INTO main.");
    sql_put_name(&b, t->name);
    buf_printf(&b, "(");
    *count = put_columns(&b, t, extent);
    if (extent == ROWCOPY_REPLICATED)
        table_put_fillers(&b, t, false);
    buf_printf(&b, ")VALUES(");
    for (int i = 1; i <= *count; i++)
        buf_printf(&b, "%s?%d", i > 1 ? "," : "", i);
    if (extent == ROWCOPY_REPLICATED)
        table_put_fillers(&b, t, true);
    buf_printf(&b, ")");
    buf_put_u8(&b, 0);
    return (char *)buf_steal(&b, &len);
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
move_rows(sqlite3 *to, sqlite3 *from, sqlite3_stmt *select,
    sqlite3_stmt *insert, int count, struct err *e)
{
    int rc, r;

    while (
        (r = stop_check(e)) == 0 && (rc = sqlite3_step(select)) == SQLITE_ROW) {
        for (int i = 0; i < count; i++)
            if (sqlite3_bind_value(insert, i + 1,
                    sqlite3_column_value(select, i)) != SQLITE_OK)
                return database_error(to, e, "could not copy a row");
        if (sqlite3_step(insert) != SQLITE_DONE) {
            database_error(to, e, "could not copy a row");
            sqlite3_reset(insert);
            return -1;
        }
        sqlite3_reset(insert);
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = database_error(from, e, "could not read all rows");
    return r;
}

int
rowcopy_rows(sqlite3 *to, sqlite3 *from, const struct table *t,
    enum rowcopy_extent extent, struct err *e)
{
    sqlite3_stmt *select = NULL, *insert = NULL;
    int count;
    char *read = select_sql(t, extent);
    char *write = insert_sql(t, extent, &count);
    int r = -1;

    if ((!t->is_shadow || empty_table(to, t, e) == 0) &&
        database_prepare(from, read, &select, e) == 0 &&
        database_prepare(to, write, &insert, e) == 0)
        r = move_rows(to, from, select, insert, count, e);
    if (r != 0)
        err_wrap(e, "table \"%s\"", t->name);
    sqlite3_finalize(select);
    sqlite3_finalize(insert);
    free(read);
    free(write);
    return r;
}

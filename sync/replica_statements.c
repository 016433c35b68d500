/*
 * Prepared statements of the tables of a replica: read, insert, remove, and
 * update of just the columns that changed (so that untouched indexes stay
 * untouched).  They live as long as the schema does.
 */
#include "sync/replica_statements.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "sync/open.h"

/* Distinct sets of changed columns kept per table; a push repeats few. */
#define UPDATES_KEPT 4

struct row_table {
    const struct table *t;
    sqlite3_stmt *select;
    sqlite3_stmt *insert;
    sqlite3_stmt *remove;
    struct {
        uint64_t columns;
        sqlite3_stmt *stmt;
    } updates[UPDATES_KEPT];
    unsigned next_update;
};

/* " WHERE key = ?1 AND ..." with the collation that the key's index has. */
static void
put_where(struct buf *b, const struct table *t)
{
    if (!t->without_rowid) {
        buf_printf(b, " WHERE ");
        sql_put_name(b, t->rowid_name);
        buf_printf(b, " = ?1");
        return;
    }
    for (int i = 0; i < t->key_count; i++) {
        const struct table_column *c = &t->columns[t->key_columns[i]];

        buf_printf(b, i == 0 ? " WHERE " : " AND ");
        sql_put_name(b, c->name);
        if (strcasecmp(c->collation, t->key_collations[i]) != 0) {
            buf_printf(b, " COLLATE ");
            sql_put_name(b, t->key_collations[i]);
        }
        buf_printf(b, " = ?%d", i + 1);
    }
}

/* Parameters are those of the key, then those of the columns.  OR ABORT
 * overrides conflict clauses of the table, which could remove other rows. */
static void
put_insert(struct buf *b, const struct table *t)
{
    bool rowid_too = !t->without_rowid && !t->rowid_is_column;

    buf_printf(b, "INSERT OR ABORT INTO main.");
    sql_put_name(b, t->name);
    buf_printf(b, "(");
    if (rowid_too)
        sql_put_name(b, t->rowid_name);
    for (int i = 0; i < t->column_count; i++) {
        if (i > 0 || rowid_too)
            buf_printf(b, ",");
        sql_put_name(b, t->columns[i].name);
    }
    table_put_fillers(b, t, false);
    buf_printf(b, ")VALUES(");
    if (rowid_too)
        buf_printf(b, "?1");
    for (int i = 0; i < t->column_count; i++)
        buf_printf(b, "%s?%d", i > 0 || rowid_too ? "," : "",
            t->key_count + i + 1);
    table_put_fillers(b, t, true);
    buf_printf(b, ")");
}

static void
put_update(struct buf *b, const struct table *t, uint64_t columns)
{
    const char *separator = " SET ";

    buf_printf(b, "UPDATE OR ABORT main.");
    sql_put_name(b, t->name);
    for (int i = 0; i < t->column_count; i++) {
        if (columns != ROW_ALL_COLUMNS && (columns >> i & 1) == 0)
            continue;
        buf_printf(b, "%s", separator);
        sql_put_name(b, t->columns[i].name);
        buf_printf(b, "=?%d", t->key_count + i + 1);
        separator = ",";
    }
    put_where(b, t);
}

static void
put_remove(struct buf *b, const struct table *t)
{
    buf_printf(b, "DELETE FROM main.");
    sql_put_name(b, t->name);
    put_where(b, t);
}

static int
prepare_text(sqlite3 *db, struct buf *sql, sqlite3_stmt **stmt, struct err *e)
{
    buf_put_u8(sql, 0);
    return database_prepare(db, (const char *)sql->data, stmt, e);
}

static int
prepare_with(sqlite3 *db, const struct table *t,
    void (*put)(struct buf *, const struct table *), sqlite3_stmt **stmt,
    struct err *e)
{
    struct buf sql = BUF_INIT;
    int r;

    put(&sql, t);
    r = prepare_text(db, &sql, stmt, e);
    buf_release(&sql);
    return r;
}

struct row_table *
row_tables_new(const struct schema *s)
{
    struct row_table *tables =
        alloc_zeroed(s->table_count + 1, sizeof(*tables));

    for (size_t i = 0; i < s->table_count; i++)
        tables[i].t = &s->tables[i];
    return tables;
}

void
row_tables_free(struct row_table *tables, size_t count)
{
    for (size_t i = 0; tables != NULL && i < count; i++) {
        sqlite3_finalize(tables[i].select);
        sqlite3_finalize(tables[i].insert);
        sqlite3_finalize(tables[i].remove);
        for (int k = 0; k < UPDATES_KEPT; k++)
            sqlite3_finalize(tables[i].updates[k].stmt);
    }
    free(tables);
}

struct row_table *
row_tables_find(struct row_table *tables, size_t count, const char *name)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, tables[middle].t->name);

        if (order == 0)
            return &tables[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct table *
row_table_get(const struct row_table *rt)
{
    return rt->t;
}

sqlite3_stmt *
row_table_select(struct row_table *rt, sqlite3 *db, struct err *e)
{
    char *sql;

    if (rt->select == NULL) {
        sql = table_select_by_key_sql(rt->t);
        database_prepare(db, sql, &rt->select, e);
        free(sql);
    }
    return rt->select;
}

sqlite3_stmt *
row_table_insert(struct row_table *rt, sqlite3 *db, struct err *e)
{
    if (rt->insert == NULL)
        prepare_with(db, rt->t, put_insert, &rt->insert, e);
    return rt->insert;
}

sqlite3_stmt *
row_table_remove(struct row_table *rt, sqlite3 *db, struct err *e)
{
    if (rt->remove == NULL)
        prepare_with(db, rt->t, put_remove, &rt->remove, e);
    return rt->remove;
}

sqlite3_stmt *
row_table_update(struct row_table *rt, sqlite3 *db, uint64_t columns,
    struct err *e)
{
    struct buf sql = BUF_INIT;
    sqlite3_stmt *stmt = NULL;
    unsigned slot;

    for (slot = 0; slot < UPDATES_KEPT; slot++)
        if (rt->updates[slot].stmt != NULL &&
            rt->updates[slot].columns == columns)
            return rt->updates[slot].stmt;
    put_update(&sql, rt->t, columns);
    prepare_text(db, &sql, &stmt, e);
    buf_release(&sql);
    if (stmt == NULL)
        return NULL;
    slot = rt->next_update++ % UPDATES_KEPT;
    sqlite3_finalize(rt->updates[slot].stmt);
    rt->updates[slot].stmt = stmt;
    rt->updates[slot].columns = columns;
    return stmt;
}

int
row_tables_check(sqlite3 *db, const struct schema *s, struct err *e)
{
    struct row_table *tables = row_tables_new(s);
    int r = -1;

    for (size_t i = 0; i < s->table_count; i++) {
        const struct table *t = &s->tables[i];

        if (t->unsupported != NULL) {
            err_set(e, ERR_UNSUPPORTED, "table \"%s\" cannot be replicated: %s",
                t->name, t->unsupported);
            err_hint(e, "docs/datasets.md says what works; a table of that "
                        "kind keeps the whole file out.");
            goto out;
        }
        if (row_table_select(&tables[i], db, e) == NULL ||
            row_table_insert(&tables[i], db, e) == NULL ||
            row_table_remove(&tables[i], db, e) == NULL ||
            row_table_update(&tables[i], db, ROW_ALL_COLUMNS, e) == NULL) {
            if (e->code != ERR_INTERNAL)
                goto out;
            err_set(e, ERR_UNSUPPORTED,
                "table \"%s\" cannot be written without the program it "
                "belongs to: %s",
                t->name, sqlite3_errmsg(db));
            err_hint(e, "It needs a function or collation that only that "
                        "program has; such a database cannot be replicated.");
            goto out;
        }
    }
    r = 0;
out:
    row_tables_free(tables, s->table_count);
    return r;
}

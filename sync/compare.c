/*
 * Two tables walked side by side in key order.  The order is the database's
 * own: where keys differ, SQLite says which comes first, with the primary key's
 * collations.
 */
#include "sync/compare.h"

#include <stdlib.h>
#include <string.h>

#include "sync/open.h"
#include "sync/value.h"

struct side {
    sqlite3 *db;
    sqlite3_stmt *stmt;
    struct buf key;
    struct buf row;
    bool done;
};

static int
side_next(struct side *s, const struct table *t, struct err *e)
{
    int rc = sqlite3_step(s->stmt);

    buf_clear(&s->key);
    buf_clear(&s->row);
    s->done = rc == SQLITE_DONE;
    if (rc == SQLITE_ROW)
        table_read_row(t, s->stmt, &s->key, &s->row);
    else if (rc != SQLITE_DONE)
        return database_error(s->db, e, "could not read all rows");
    return 0;
}

static int
side_open(struct side *s, sqlite3 *db, const struct table *t, struct err *e)
{
    char *sql = table_select_all_sql(t);
    int r;

    *s = (struct side){ .db = db, .key = BUF_INIT, .row = BUF_INIT };
    r = database_prepare(db, sql, &s->stmt, e);
    free(sql);
    return r != 0 ? -1 : side_next(s, t, e);
}

static void
side_close(struct side *s)
{
    sqlite3_finalize(s->stmt);
    buf_release(&s->key);
    buf_release(&s->row);
}

/* "SELECT a<b, a=b" over two keys given as parameters. */
static int
prepare_order(sqlite3 *db, const struct table *t, sqlite3_stmt **stmt,
    struct err *e)
{
    struct buf left = BUF_INIT, right = BUF_INIT, sql = BUF_INIT;
    int r;

    for (int i = 0; i < t->key_count; i++) {
        char *collation =
            sql_quote_name(t->without_rowid ? t->key_collations[i] : "BINARY");

        buf_printf(&left, "%s?%d COLLATE %s", i > 0 ? "," : "", i + 1,
            collation);
        buf_printf(&right, "%s?%d", i > 0 ? "," : "", t->key_count + i + 1);
        free(collation);
    }
    buf_printf(&sql, "SELECT (%.*s)<(%.*s), (%.*s)=(%.*s)", (int)left.len,
        (char *)left.data, (int)right.len, (char *)right.data, (int)left.len,
        (char *)left.data, (int)right.len, (char *)right.data);
    buf_put_u8(&sql, 0);
    r = database_prepare(db, (const char *)sql.data, stmt, e);
    buf_release(&left);
    buf_release(&right);
    buf_release(&sql);
    return r;
}

static int
bind_tuple(sqlite3_stmt *stmt, int first, int count, const struct buf *tuple,
    struct err *e)
{
    struct reader r = reader_over(tuple->data, tuple->len);

    for (int i = 0; i < count; i++)
        if (value_bind(&r, stmt, first + i, e) != 0)
            return -1;
    return 0;
}

/* *ORDER below, equal to or above zero, as A's key comes before B's. */
static int
order_keys(sqlite3 *db, sqlite3_stmt *stmt, const struct table *t,
    const struct side *a, const struct side *b, int *order, struct err *e)
{
    if (a->done || b->done) {
        *order = a->done ? 1 : -1;
        return 0;
    }
    if (a->key.len == b->key.len &&
        memcmp(a->key.data, b->key.data, a->key.len) == 0) {
        *order = 0;
        return 0;
    }
    if (bind_tuple(stmt, 1, t->key_count, &a->key, e) != 0 ||
        bind_tuple(stmt, t->key_count + 1, t->key_count, &b->key, e) != 0)
        return -1;
    if (sqlite3_step(stmt) != SQLITE_ROW)
        return database_error(db, e, "could not compare keys");
    *order = sqlite3_column_int(stmt, 1)   ? 0
             : sqlite3_column_int(stmt, 0) ? -1
                                           : 1;
    sqlite3_reset(stmt);
    return 0;
}

static bool
same_bytes(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static void
note(struct change_set *set, const struct table *t, const struct side *old,
    const struct side *new)
{
    change_set_add(set, t->name, old == NULL ? NULL : old->key.data,
        old == NULL ? 0 : old->key.len, old == NULL ? NULL : old->row.data,
        old == NULL ? 0 : old->row.len, new == NULL ? NULL : new->key.data,
        new == NULL ? 0 : new->key.len, new == NULL ? NULL : new->row.data,
        new == NULL ? 0 : new->row.len);
}

int
compare_table(sqlite3 *old, sqlite3 *new, const struct table *t,
    struct change_set *set, size_t max_bytes, struct err *e)
{
    struct side a = { 0 }, b = { 0 };
    sqlite3_stmt *compare = NULL;
    int order = 0, r = -1;

    if (prepare_order(new, t, &compare, e) != 0 ||
        side_open(&a, old, t, e) != 0 || side_open(&b, new, t, e) != 0)
        goto out;
    while (!a.done || !b.done) {
        if (order_keys(new, compare, t, &a, &b, &order, e) != 0)
            goto out;
        if (order != 0 || !same_bytes(&a.row, &b.row) ||
            !same_bytes(&a.key, &b.key))
            note(set, t, order <= 0 ? &a : NULL, order >= 0 ? &b : NULL);
        if (max_bytes > 0 && set->bytes > max_bytes) {
            err_set(e, ERR_INVALID, "more changes than %zu bytes", max_bytes);
            goto out;
        }
        if (order <= 0 && side_next(&a, t, e) != 0)
            goto out;
        if (order >= 0 && side_next(&b, t, e) != 0)
            goto out;
    }
    r = 0;
out:
    if (r != 0)
        err_wrap(e, "table \"%s\"", t->name);
    side_close(&a);
    side_close(&b);
    sqlite3_finalize(compare);
    return r;
}

/* All rows of a table that the other side does not have. */
static int
note_all(sqlite3 *db, const struct table *t, bool added, struct change_set *set,
    size_t max_bytes, struct err *e)
{
    struct side s;
    int r = side_open(&s, db, t, e);

    while (r == 0 && !s.done) {
        note(set, t, added ? NULL : &s, added ? &s : NULL);
        if (max_bytes > 0 && set->bytes > max_bytes)
            r = err_set(e, ERR_INVALID, "more changes than %zu bytes",
                max_bytes);
        if (r == 0)
            r = side_next(&s, t, e);
    }
    if (r != 0)
        err_wrap(e, "table \"%s\"", t->name);
    side_close(&s);
    return r;
}

int
compare_databases(sqlite3 *old, const struct schema *old_schema, sqlite3 *new,
    const struct schema *new_schema, struct change_set *set, size_t max_bytes,
    struct err *e)
{
    for (size_t i = 0; i < old_schema->table_count; i++) {
        const struct table *t = &old_schema->tables[i];
        const struct table *other = schema_find_table(new_schema, t->name);

        if (t->unsupported == NULL &&
            (other == NULL || other->unsupported != NULL ||
                !table_same_shape(t, other)) &&
            note_all(old, t, false, set, max_bytes, e) != 0)
            return -1;
    }
    for (size_t i = 0; i < new_schema->table_count; i++) {
        const struct table *t = &new_schema->tables[i];
        const struct table *other = schema_find_table(old_schema, t->name);
        int r;

        if (t->unsupported != NULL)
            continue;
        if (other != NULL && other->unsupported == NULL &&
            table_same_shape(t, other))
            r = compare_table(old, new, t, set, max_bytes, e);
        else
            r = note_all(new, t, true, set, max_bytes, e);
        if (r != 0)
            return -1;
    }
    return 0;
}

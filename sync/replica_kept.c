/*
 * Rows that a bundle removes and inserts again live on, and so do their values
 * in protected columns: they wait in a temporary table, found by the key as the
 * table's own key compares (a key may come back in another spelling).
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "sync/open.h"
#include "sync/replica_internal.h"
#include "sync/value.h"

/* One table's. */
struct kept_rows {
    sqlite3_stmt *save;    /* parameters: the key */
    sqlite3_stmt *restore; /* likewise */
};

#define TABLE "temp._lockstep_kept_%zu"

static const char *
key_name(const struct table *t, int part)
{
    return t->without_rowid ? t->columns[t->key_columns[part]].name
                            : t->rowid_name;
}

static void
put_condition(struct buf *b, const struct table *t)
{
    for (int i = 0; i < t->key_count; i++) {
        buf_printf(b, i == 0 ? " WHERE " : " AND ");
        sql_put_name(b, key_name(t, i));
        if (t->without_rowid) {
            buf_printf(b, " COLLATE ");
            sql_put_name(b, t->key_collations[i]);
        }
        buf_printf(b, "=?%d", i + 1);
    }
}

static void
put_create(struct buf *b, const struct table *t, size_t n)
{
    buf_printf(b, "DROP TABLE IF EXISTS " TABLE ";CREATE TABLE " TABLE "(", n,
        n);
    for (int i = 0; i < t->key_count; i++) {
        buf_printf(b, "_lockstep_k%d", i);
        if (t->without_rowid) {
            buf_printf(b, " COLLATE ");
            sql_put_name(b, t->key_collations[i]);
        }
        buf_printf(b, ",");
    }
    for (int i = 0; i < t->kept_count; i++)
        buf_printf(b, "_lockstep_v%d,", i);
    buf_printf(b, "PRIMARY KEY(");
    for (int i = 0; i < t->key_count; i++)
        buf_printf(b, "%s_lockstep_k%d", i > 0 ? "," : "", i);
    buf_printf(b, "))WITHOUT ROWID");
}

static void
put_save(struct buf *b, const struct table *t, size_t n)
{
    buf_printf(b, "INSERT OR REPLACE INTO " TABLE " SELECT ", n);
    for (int i = 0; i < t->key_count; i++) {
        sql_put_name(b, key_name(t, i));
        buf_printf(b, ",");
    }
    for (int i = 0; i < t->kept_count; i++) {
        buf_printf(b, "%s", i > 0 ? "," : "");
        sql_put_name(b, t->kept[i].name);
    }
    buf_printf(b, " FROM main.");
    sql_put_name(b, t->name);
    put_condition(b, t);
}

static void
put_restore(struct buf *b, const struct table *t, size_t n)
{
    buf_printf(b, "UPDATE OR ABORT main.");
    sql_put_name(b, t->name);
    for (int i = 0; i < t->kept_count; i++) {
        buf_printf(b, i == 0 ? " SET " : ",");
        sql_put_name(b, t->kept[i].name);
        buf_printf(b, "=_lockstep_v%d", i);
    }
    buf_printf(b, " FROM " TABLE, n);
    put_condition(b, t);
    for (int i = 0; i < t->key_count; i++)
        buf_printf(b, " AND _lockstep_k%d=?%d", i, i + 1);
}

static int
prepare(sqlite3 *db, const struct table *t, size_t n,
    void (*put)(struct buf *, const struct table *, size_t),
    sqlite3_stmt **stmt, struct err *e)
{
    struct buf sql = BUF_INIT;
    int r;

    put(&sql, t, n);
    buf_put_u8(&sql, 0);
    r = stmt == NULL ? database_exec(db, (const char *)sql.data, e)
                     : database_prepare(db, (const char *)sql.data, stmt, e);
    buf_release(&sql);
    return r;
}

static struct kept_rows *
rows_of(struct row_work *w, const struct table *t, size_t *n)
{
    *n = (size_t)(t - w->r->schema->tables);
    if (w->kept == NULL)
        w->kept = alloc_zeroed(w->r->table_count + 1, sizeof(*w->kept));
    return &w->kept[*n];
}

static int
run(struct row_work *w, const struct table *t, sqlite3_stmt *stmt,
    const uint8_t *key, size_t key_len, struct err *e)
{
    struct reader tuple = reader_over(key, key_len);
    int r = 0;

    for (int i = 0; r == 0 && i < t->key_count; i++)
        r = value_bind(&tuple, stmt, i + 1, e);
    if (r == 0 && sqlite3_step(stmt) != SQLITE_DONE)
        r = database_error(w->r->db, e, "could not keep protected values");
    sqlite3_reset(stmt);
    return r;
}

int
kept_save(struct row_work *w, const struct table *t, const uint8_t *key,
    size_t key_len, struct err *e)
{
    size_t n;
    struct kept_rows *rows;

    if (t->kept_count == 0)
        return 0;
    rows = rows_of(w, t, &n);
    if (rows->save == NULL &&
        (prepare(w->r->db, t, n, put_create, NULL, e) != 0 ||
            prepare(w->r->db, t, n, put_save, &rows->save, e) != 0 ||
            prepare(w->r->db, t, n, put_restore, &rows->restore, e) != 0))
        return -1;
    return run(w, t, rows->save, key, key_len, e);
}

int
kept_restore(struct row_work *w, const struct table *t, const uint8_t *key,
    size_t key_len, struct err *e)
{
    size_t n;
    struct kept_rows *rows;

    if (t->kept_count == 0 || w->kept == NULL)
        return 0;
    rows = rows_of(w, t, &n);
    return rows->restore == NULL ? 0
                                 : run(w, t, rows->restore, key, key_len, e);
}

void
kept_forget(struct row_work *w)
{
    struct err ignored = ERR_INIT;
    char sql[64];

    for (size_t i = 0; w->kept != NULL && i < w->r->table_count; i++) {
        bool used = w->kept[i].save != NULL;

        sqlite3_finalize(w->kept[i].save);
        sqlite3_finalize(w->kept[i].restore);
        snprintf(sql, sizeof(sql), "DROP TABLE IF EXISTS " TABLE, i);
        if (used)
            database_exec(w->r->db, sql, &ignored);
    }
    free(w->kept);
    w->kept = NULL;
}

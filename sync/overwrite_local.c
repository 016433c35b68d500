/*
 * What belongs to this server alone, brought into the staging file before that
 * is installed: values of protected columns by key, and protected rows.  The
 * proof does not see them: no digest counts them.
 *
 * The caller holds the live file's write lock, and may do this again: what an
 * earlier try brought is replaced.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/stop.h"
#include "sync/open.h"
#include "sync/overwrite.h"
#include "sync/value.h"

/* A table of the staging file, and the live one that it becomes. */
struct local {
    const struct replica *r;
    struct staging *s;
    const struct table *t;
    const struct table *live;
    struct err *e;
};

static const char *
key_name(const struct table *t, int part)
{
    return t->without_rowid ? t->columns[t->key_columns[part]].name
                            : t->rowid_name;
}

static bool
has_kept(const struct table *t, const char *name)
{
    for (int i = 0; i < t->kept_count; i++)
        if (sqlite3_stricmp(t->kept[i].name, name) == 0)
            return true;
    return false;
}

static bool
has_column(const struct table *t, const char *name)
{
    for (int i = 0; i < t->column_count; i++)
        if (sqlite3_stricmp(t->columns[i].name, name) == 0)
            return true;
    return has_kept(t, name);
}

/* Whether a key of one names a row of the other. */
static bool
same_keys(const struct table *a, const struct table *b)
{
    if (a->without_rowid != b->without_rowid || a->key_count != b->key_count)
        return false;
    for (int i = 0; a->without_rowid && i < a->key_count; i++)
        if (sqlite3_stricmp(key_name(a, i), key_name(b, i)) != 0)
            return false;
    return true;
}

/* The protected columns that both have; returns how many. */
static int
put_kept(struct buf *b, const struct local *l, const char *before,
    const char *after, int parameter)
{
    int count = 0;

    for (int i = 0; i < l->t->kept_count; i++) {
        if (!has_kept(l->live, l->t->kept[i].name))
            continue;
        buf_printf(b, "%s", count++ > 0 ? "," : before);
        sql_put_name(b, l->t->kept[i].name);
        if (parameter > 0)
            buf_printf(b, "%s?%d", after, parameter + count - 1);
    }
    return count;
}

/* Every row of FROM given to TO, parameter by parameter; *KEY is the tuple that
 * could not be written. */
static int
pour(const struct local *l, sqlite3_stmt *from, sqlite3_stmt *to, int count,
    struct buf *key)
{
    int rc, r;

    while ((r = stop_check(l->e)) == 0 &&
           (rc = sqlite3_step(from)) == SQLITE_ROW) {
        for (int i = 0; i < count; i++)
            sqlite3_bind_value(to, i + 1, sqlite3_column_value(from, i));
        rc = sqlite3_step(to);
        sqlite3_reset(to);
        if (rc == SQLITE_DONE)
            continue;
        r = database_error(l->s->db, l->e, "could not keep it");
        if ((rc & 0xff) == SQLITE_CONSTRAINT)
            value_put_column(key, from, 0);
        return r;
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = database_error(l->r->db, l->e, "could not read all rows");
    return r;
}

static int
move(const struct local *l, struct buf *read, struct buf *write, int count,
    struct buf *key)
{
    sqlite3_stmt *from = NULL, *to = NULL;
    int r = -1;

    buf_put_u8(read, 0);
    buf_put_u8(write, 0);
    if (database_prepare(l->r->db, (const char *)read->data, &from, l->e) ==
            0 &&
        database_prepare(l->s->db, (const char *)write->data, &to, l->e) == 0)
        r = pour(l, from, to, count, key);
    sqlite3_finalize(from);
    sqlite3_finalize(to);
    return r;
}

/* Its value is kept or nothing is done: whose it is has to mend it. */
static int
refuse_value(const struct local *l, const struct buf *key)
{
    char shown[128], why[sizeof(l->e->message)];

    value_show(key->data, key->len, shown, sizeof(shown));
    memcpy(why, l->e->message, sizeof(why));
    err_set(l->e, ERR_HELD,
        "table \"%s\": the primary's table does not take a protected value "
        "that "
        "the row with key %s has on this server: %s",
        l->t->name, shown, why);
    err_hint(l->e, "Change that value on this server to one that the "
                   "primary's table takes, then order an overwrite of it.");
    return -1;
}

static int
keep_values(const struct local *l)
{
    struct buf read = BUF_INIT, write = BUF_INIT, key = BUF_INIT;
    int keys = l->t->key_count, count, r = 0;

    buf_printf(&read, "SELECT ");
    for (int i = 0; i < keys; i++) {
        buf_printf(&read, "%s", i > 0 ? "," : "");
        sql_put_name(&read, key_name(l->live, i));
    }
    put_kept(&read, l, ",", "", 0);
    buf_printf(&read, " FROM main.");
    sql_put_name(&read, l->live->name);
    table_put_filter(&read, l->live, " WHERE ");
    buf_printf(&write, "UPDATE OR ABORT main.");
    sql_put_name(&write, l->t->name);
    count = put_kept(&write, l, " SET ", "=", keys + 1);
    for (int i = 0; i < keys; i++) {
        buf_printf(&write, i == 0 ? " WHERE " : " AND ");
        sql_put_name(&write, key_name(l->t, i));
        if (l->t->without_rowid) {
            buf_printf(&write, " COLLATE ");
            sql_put_name(&write, l->t->key_collations[i]);
        }
        buf_printf(&write, "=?%d", i + 1);
    }
    if (count > 0)
        r = move(l, &read, &write, keys + count, &key);
    if (r != 0 && key.len > 0)
        refuse_value(l, &key);
    buf_release(&read);
    buf_release(&write);
    buf_release(&key);
    return r;
}

/* Columns that both have, a bare rowid first; returns how many. */
static int
put_columns(struct buf *b, const struct local *l, const struct table *of)
{
    const char *separator = "";
    int count = 0;

    if (!of->without_rowid) {
        sql_put_name(b, of->rowid_name);
        separator = ",";
        count++;
    }
    for (int i = 0; i < l->t->column_count + l->t->kept_count; i++) {
        const char *name = i < l->t->column_count
                               ? l->t->columns[i].name
                               : l->t->kept[i - l->t->column_count].name;

        if (!has_column(l->live, name) ||
            (!of->without_rowid && sqlite3_stricmp(name, of->rowid_name) == 0))
            continue;
        buf_printf(b, "%s", separator);
        sql_put_name(b, name);
        separator = ",";
        count++;
    }
    return count;
}

static int
forget_rows(const struct local *l)
{
    struct buf sql = BUF_INIT;
    int r;

    buf_printf(&sql, "DELETE FROM main.");
    sql_put_name(&sql, l->t->name);
    buf_printf(&sql, " WHERE coalesce((");
    buf_put(&sql, l->t->filter, strlen(l->t->filter));
    buf_printf(&sql, "),0)");
    buf_put_u8(&sql, 0);
    r = database_exec(l->s->db, (const char *)sql.data, l->e);
    buf_release(&sql);
    return r;
}

static int
refuse_row(const struct local *l, const struct buf *key)
{
    char shown[128];

    value_show(key->data, key->len, shown, sizeof(shown));
    err_set(l->e, ERR_HELD,
        "table \"%s\": the protected row with key %s of this server has the "
        "key, or a UNIQUE value, of a row of the primary's",
        l->t->name, shown);
    err_hint(l->e, "Give one of the two rows another key or UNIQUE value, then "
                   "order an overwrite of this server.");
    return -1;
}

static int
keep_rows(const struct local *l)
{
    struct buf read = BUF_INIT, write = BUF_INIT, key = BUF_INIT;
    int count, r;

    buf_printf(&read, "SELECT ");
    count = put_columns(&read, l, l->live);
    buf_printf(&read, " FROM main.");
    sql_put_name(&read, l->live->name);
    buf_printf(&read, " WHERE coalesce((");
    buf_put(&read, l->t->filter, strlen(l->t->filter));
    buf_printf(&read, "),0)");
    buf_printf(&write, "INSERT OR ABORT INTO main.");
    sql_put_name(&write, l->t->name);
    buf_printf(&write, "(");
    put_columns(&write, l, l->t);
    buf_printf(&write, ")VALUES(");
    for (int i = 1; i <= count; i++)
        buf_printf(&write, "%s?%d", i > 1 ? "," : "", i);
    buf_printf(&write, ")");
    r = forget_rows(l);
    if (r == 0)
        r = move(l, &read, &write, count, &key);
    if (r != 0 && key.len > 0)
        refuse_row(l, &key);
    buf_release(&read);
    buf_release(&write);
    buf_release(&key);
    return r;
}

static int
keep_table(const struct local *l)
{
    if (!same_keys(l->t, l->live) ||
        (l->t->filter != NULL && l->live->filter == NULL)) {
        replica_notice((struct replica *)l->r, "selection",
            "table %.100s is another than the primary's: what is protected in "
            "it stays in the backup only",
            l->t->name);
        return 0;
    }
    if (l->t->kept_count > 0 && keep_values(l) != 0)
        return -1;
    return l->t->filter != NULL ? keep_rows(l) : 0;
}

static int
keep_tables(struct staging *s, const struct replica *r,
    const struct schema *live, struct err *e)
{
    for (size_t i = 0; i < s->schema->table_count; i++) {
        const struct table *t = &s->schema->tables[i];
        struct local l = { .r = r,
            .s = s,
            .t = t,
            .live = schema_find_table(live, t->name),
            .e = e };

        if ((t->kept_count > 0 || t->filter != NULL) && l.live != NULL &&
            keep_table(&l) != 0)
            return -1;
    }
    return 0;
}

int
staging_keep_local(struct staging *s, const struct replica *r,
    const struct schema *live, struct err *e)
{
    struct err own = ERR_INIT;
    int result;

    if (database_exec(s->db, "BEGIN", e) != 0)
        return -1;
    result = keep_tables(s, r, live, e);
    /* Without a journal there is no way back, and no need of one. */
    if (database_exec(s->db, "COMMIT", &own) != 0 && result == 0) {
        *e = own;
        result = -1;
    }
    return result == 0
               ? 0
               : err_wrap(e, "could not keep what is this server's own");
}

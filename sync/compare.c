/*
 * Two tables walked side by side in key order.  The order is the database's
 * own: where keys differ, SQLite says which comes first, with the primary key's
 * collations.  Where stored bytes can be compared (compare_stored.c) SQLite
 * reads only the rows that are not stored alike.
 */
#include "sync/compare.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/stop.h"
#include "sync/compare_stored.h"
#include "sync/large_row.h"
#include "sync/open.h"
#include "sync/row_scan.h"
#include "sync/value.h"

struct side {
    struct row_scan scan;
    struct buf key;
    struct buf row; /* empty when LARGE: the scan has its hash */
    bool large;
    bool done;
};

static int
side_next(struct side *s, struct err *e)
{
    enum row_scan_step step = row_scan_next(&s->scan, e);

    buf_clear(&s->key);
    buf_clear(&s->row);
    s->done = step == ROW_SCAN_END;
    s->large = step == ROW_SCAN_LARGE;
    if (step == ROW_SCAN_ROW)
        table_read_row(s->scan.t, s->scan.stmt, &s->key, &s->row);
    else if (s->large)
        row_scan_large_key(&s->scan, &s->key);
    return step == ROW_SCAN_ERROR ? -1 : 0;
}

static int
side_open(struct side *s, sqlite3 *db, const struct table *t, struct err *e)
{
    memset(s, 0, sizeof(*s));
    return row_scan_open(&s->scan, db, t, e) != 0 ? -1 : side_next(s, e);
}

static void
side_close(struct side *s)
{
    row_scan_close(&s->scan);
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

static bool
same_row(const struct side *a, const struct side *b)
{
    if (!same_bytes(&a->key, &b->key) || a->large != b->large)
        return false;
    return a->large ? memcmp(a->scan.hash, b->scan.hash, HASH_SIZE) == 0
                    : same_bytes(&a->row, &b->row);
}

/* Where the changes go. */
struct found {
    const struct table *t;
    struct change_set *set;
    size_t max_bytes; /* 0: no limit */
    const struct compare_drain *drain;
};

static struct found
found_for(const struct table *t, struct change_set *set,
    const struct compare_how *how)
{
    return (struct found){ t, set, how->max_bytes, how->drain };
}

static int
too_much(const struct found *f, struct err *e)
{
    return err_set(e, ERR_INVALID, "more changes than %zu bytes", f->max_bytes);
}

static int
drain(const struct found *f, struct err *e)
{
    int r = f->drain->take(f->drain->ctx, f->set, e);

    change_set_release(f->set);
    return r;
}

/* A large row that is to be noted is read, if there is room for it: 1, 0, or -1
 * with E. */
static int
fetch_large(const struct found *f, struct side *s, struct err *e)
{
    size_t room = f->max_bytes == 0              ? INT_MAX
                  : f->max_bytes < f->set->bytes ? 0
                                                 : f->max_bytes - f->set->bytes;
    bool fits;

    if (s == NULL || !s->large)
        return 1;
    buf_clear(&s->key);
    if (row_scan_large_read(&s->scan, room, &s->key, &s->row, &fits, e) != 0)
        return -1;
    if (!fits)
        row_scan_large_key(&s->scan, &s->key);
    return fits;
}

/* 1 when both rows, either may be NULL, are at hand. */
static int
fetch_both(const struct found *f, struct side *old, struct side *new,
    struct err *e)
{
    int r;

    /* There is the more room then. */
    if (f->drain != NULL &&
        ((old != NULL && old->large) || (new != NULL &&new->large)) &&
        drain(f, e) != 0)
        return -1;
    r = fetch_large(f, old, e);
    return r == 1 ? fetch_large(f, new, e) : r;
}

static int
note_large(const struct found *f, const struct side *old,
    const struct side *new, struct err *e)
{
    char op = old == NULL ? '+' : new == NULL ? '-' : '~';

    if (f->drain == NULL)
        return too_much(f, e);
    return f->drain->take_large(f->drain->ctx, op, f->t,
        new != NULL ? &new->key : &old->key, e);
}

/* OLD, NEW: NULL when there is no such row. */
static int
note(const struct found *f, struct side *old, struct side *new, struct err *e)
{
    int r = fetch_both(f, old, new, e);

    if (r != 1)
        return r < 0 ? -1 : note_large(f, old, new, e);
    change_set_add(f->set, f->t->name, old == NULL ? NULL : old->key.data,
        old == NULL ? 0 : old->key.len, old == NULL ? NULL : old->row.data,
        old == NULL ? 0 : old->row.len, new == NULL ? NULL : new->key.data,
        new == NULL ? 0 : new->key.len, new == NULL ? NULL : new->row.data,
        new == NULL ? 0 : new->row.len);
    if (f->max_bytes == 0 || f->set->bytes <= f->max_bytes)
        return 0;
    return f->drain != NULL ? drain(f, e) : too_much(f, e);
}

/* Whoever waits for the lock is let in; NEW is read on behind the row that it
 * is at. */
static int
side_pause(struct side *s, const struct compare_how *how, struct err *e)
{
    int r = 0;

    if (how->pause_is_due == NULL || !how->pause_is_due(how->ctx))
        return 0;
    row_scan_suspend(&s->scan);
    r = how->pause(how->ctx, e);
    return r != 0 || s->done ? r : row_scan_resume(&s->scan, &s->key, e);
}

/* Every row, by SQL. */
static int
compare_rows(sqlite3 *old, sqlite3 *new, const struct found *found,
    const struct compare_how *how, struct err *e)
{
    const struct table *t = found->t;
    struct side a = { 0 }, b = { 0 };
    sqlite3_stmt *compare = NULL;
    int order = 0, r = -1;

    if (prepare_order(old, t, &compare, e) != 0 ||
        side_open(&a, old, t, e) != 0 || side_open(&b, new, t, e) != 0)
        goto out;
    while (!a.done || !b.done) {
        if (order_keys(old, compare, t, &a, &b, &order, e) != 0)
            goto out;
        if ((order != 0 || !same_row(&a, &b)) &&
            note(found, order <= 0 ? &a : NULL, order >= 0 ? &b : NULL, e) != 0)
            goto out;
        if (side_pause(&b, how, e) != 0)
            goto out;
        if (order <= 0 && side_next(&a, e) != 0)
            goto out;
        if (order >= 0 && side_next(&b, e) != 0)
            goto out;
    }
    r = 0;
out:
    side_close(&a);
    side_close(&b);
    sqlite3_finalize(compare);
    return r;
}

/* Rows that are not stored alike, looked up on both sides. */
struct look_up {
    const struct found *found;
    const struct compare_how *how;
    struct side a, b; /* whose statements find one row */
};

static int
side_find(struct side *s, int64_t rowid, struct err *e)
{
    const struct table *t = s->scan.t;
    struct hasher *h;
    int rc, r = 0;

    if (s->scan.stmt == NULL) {
        char *sql = table_select_by_key_sql(t);

        r = database_prepare(s->scan.db, sql, &s->scan.stmt, e);
        free(sql);
        if (r != 0)
            return -1;
    }
    buf_clear(&s->key);
    buf_clear(&s->row);
    s->scan.rowid = rowid;
    sqlite3_bind_int64(s->scan.stmt, 1, rowid);
    rc = row_step_key(t, s->scan.stmt, ROW_LARGE);
    s->done = rc == SQLITE_DONE;
    s->large = rc == SQLITE_TOOBIG;
    if (rc == SQLITE_ROW)
        table_read_row(t, s->scan.stmt, &s->key, &s->row);
    else if (!s->done && !s->large)
        return database_error(s->scan.db, e, "could not read a row");
    sqlite3_reset(s->scan.stmt);
    if (s->large) {
        h = hasher_new();
        value_put_integer(&s->key, rowid);
        r = large_row_hash(s->scan.db, t, rowid, h, s->scan.hash, e);
        hasher_free(h);
    }
    return r;
}

static int
look_up(void *ctx, int64_t rowid, bool *equal, struct err *e)
{
    struct look_up *l = ctx;
    struct side *a = &l->a, *b = &l->b;

    if (side_find(a, rowid, e) != 0 || side_find(b, rowid, e) != 0)
        return -1;
    *equal = a->done == b->done && (a->done || same_row(a, b));
    return *equal ? 0
                  : note(l->found, a->done ? NULL : a, b->done ? NULL : b, e);
}

static int
breathe(void *ctx, struct err *e)
{
    const struct compare_how *how = ((struct look_up *)ctx)->how;

    if (stop_check(e) != 0)
        return -1;
    return how->pause_is_due != NULL && how->pause_is_due(how->ctx)
               ? how->pause(how->ctx, e)
               : 0;
}

/* As compare_rows; returns 1, and nothing was noted, when it cannot be done. */
static int
compare_bytes(sqlite3 *old, sqlite3 *new, const struct found *found,
    const struct compare_how *how, struct err *e)
{
    struct look_up l = {
        .found = found,
        .how = how,
        .a = { .scan = { .db = old, .t = found->t } },
        .b = { .scan = { .db = new, .t = found->t } },
    };
    const struct stored_walk walk = {
        .old = old,
        .new = new,
        .old_log = how->old_log,
        .new_log = how->new_log,
        .look_up = look_up,
        .breathe = breathe,
        .ctx = &l,
    };
    size_t before = found->set->count;
    int r;

    /* What was given away cannot be taken back. */
    if (how->old_log == NULL || how->new_log == NULL || how->drain != NULL)
        return 1;
    r = stored_compare(&walk, found->t, e);
    if (r > 0)
        change_set_truncate(found->set, before);
    side_close(&l.a);
    side_close(&l.b);
    return r;
}

static int
compare_table_how(sqlite3 *old, sqlite3 *new, const struct table *t,
    struct change_set *set, const struct compare_how *how, struct err *e)
{
    const struct found found = found_for(t, set, how);
    int r = compare_bytes(old, new, &found, how, e);

    if (r > 0)
        r = compare_rows(old, new, &found, how, e);
    return r != 0 ? err_wrap(e, "table \"%s\"", t->name) : 0;
}

int
compare_table(sqlite3 *old, sqlite3 *new, const struct table *t,
    struct change_set *set, size_t max_bytes, struct err *e)
{
    const struct compare_how how = { .max_bytes = max_bytes };

    return compare_table_how(old, new, t, set, &how, e);
}

/* All rows of a table that the other side does not have. */
static int
note_all(sqlite3 *db, const struct table *t, bool added, struct change_set *set,
    const struct compare_how *how, struct err *e)
{
    const struct found found = found_for(t, set, how);
    struct side s;
    int r = side_open(&s, db, t, e);

    while (r == 0 && !s.done) {
        r = note(&found, added ? NULL : &s, added ? &s : NULL, e);
        if (r == 0 && added)
            r = side_pause(&s, how, e);
        if (r == 0)
            r = side_next(&s, e);
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
    const struct compare_how how = { .max_bytes = max_bytes };

    return compare_databases_how(old, old_schema, new, new_schema, set, &how,
        e);
}

int
compare_databases_how(sqlite3 *old, const struct schema *old_schema,
    sqlite3 *new, const struct schema *new_schema, struct change_set *set,
    const struct compare_how *how, struct err *e)
{
    for (size_t i = 0; i < old_schema->table_count; i++) {
        const struct table *t = &old_schema->tables[i];
        const struct table *other = schema_find_table(new_schema, t->name);

        if (t->unsupported == NULL &&
            (other == NULL || other->unsupported != NULL ||
                !table_same_shape(t, other)) &&
            note_all(old, t, false, set, how, e) != 0)
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
            r = compare_table_how(old, new, t, set, how, e);
        else
            r = note_all(new, t, true, set, how, e);
        if (r != 0)
            return -1;
    }
    return how->drain == NULL
               ? 0
               : drain(&(struct found){ .set = set, .drain = how->drain }, e);
}

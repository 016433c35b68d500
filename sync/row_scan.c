/*
 * Walking a table.  A large row ends SQLite's statement, so another one is
 * begun behind it.
 */
#include "sync/row_scan.h"

#include <stdlib.h>
#include <string.h>

#include "sync/large_row.h"
#include "sync/open.h"
#include "sync/value.h"

static int
prepare(struct row_scan *s, char *sql, struct err *e)
{
    int r = database_prepare(s->db, sql, &s->stmt, e);

    free(sql);
    return r;
}

int
row_scan_open(struct row_scan *s, sqlite3 *db, const struct table *t,
    struct err *e)
{
    memset(s, 0, sizeof(*s));
    s->db = db;
    s->t = t;
    return prepare(s, table_select_all_sql(t), e);
}

/* Goes on with rows behind ROWID. */
static int
go_behind(struct row_scan *s, int64_t rowid, struct err *e)
{
    if (prepare(s, table_select_after_sql(s->t), e) != 0)
        return -1;
    sqlite3_bind_int64(s->stmt, 1, rowid);
    return 0;
}

/* A row that is protected may be the large one, and the next not. */
static int
is_large(struct row_scan *s, bool *large, struct err *e)
{
    struct buf key = BUF_INIT, row = BUF_INIT;
    bool fits = false;
    int r = 0;

    if (s->t->filter != NULL)
        r = large_row_read(s->db, s->t, s->rowid, ROW_LARGE, &key, &row, &fits,
            e);
    *large = !fits;
    buf_release(&key);
    buf_release(&row);
    return r;
}

static enum row_scan_step
hash_large(struct row_scan *s, struct err *e)
{
    struct hasher *h = hasher_new();
    int r = large_row_hash(s->db, s->t, s->rowid, h, s->hash, e);

    hasher_free(h);
    s->behind = true;
    if (r == 0)
        r = go_behind(s, s->rowid, e);
    return r == 0 ? ROW_SCAN_LARGE : ROW_SCAN_ERROR;
}

/* SQLite holds the row, and goes on behind it. */
static enum row_scan_step
hash_whole(struct row_scan *s)
{
    struct hasher *h = hasher_new();

    large_row_hash_at(s->t, s->stmt, h, s->hash);
    hasher_free(h);
    return ROW_SCAN_LARGE;
}

static enum row_scan_step
pass_large(struct row_scan *s, struct err *e)
{
    bool found, large;

    if (s->t->without_rowid)
        return hash_whole(s);
    row_scan_close(s);
    if (large_row_find(s->db, s->t, s->behind ? &s->rowid : NULL, &found,
            &s->rowid, e) != 0)
        return ROW_SCAN_ERROR;
    if (!found)
        return ROW_SCAN_END;
    if (is_large(s, &large, e) != 0)
        return ROW_SCAN_ERROR;
    if (large)
        return hash_large(s, e);
    /* The protected one lies before it. */
    return go_behind(s, s->rowid - 1, e) == 0 ? row_scan_next(s, e)
                                              : ROW_SCAN_ERROR;
}

enum row_scan_step
row_scan_next(struct row_scan *s, struct err *e)
{
    int rc = row_step(s->t, s->stmt, ROW_LARGE);

    if (rc == SQLITE_ROW) {
        s->behind = true;
        if (!s->t->without_rowid)
            s->rowid = sqlite3_column_int64(s->stmt, 0);
        return ROW_SCAN_ROW;
    }
    if (rc == SQLITE_DONE)
        return ROW_SCAN_END;
    if (rc == SQLITE_TOOBIG)
        return pass_large(s, e);
    database_error(s->db, e, "could not read all rows");
    return ROW_SCAN_ERROR;
}

void
row_scan_large_key(const struct row_scan *s, struct buf *key)
{
    if (!s->t->without_rowid)
        value_put_integer(key, s->rowid);
    for (int i = 0; s->t->without_rowid && i < s->t->key_count; i++)
        value_put_column(key, s->stmt, i);
}

int
row_scan_large_read(const struct row_scan *s, size_t room, struct buf *key,
    struct buf *row, bool *fits, struct err *e)
{
    if (!s->t->without_rowid)
        return large_row_read(s->db, s->t, s->rowid, room, key, row, fits, e);
    *fits = large_row_size_at(s->t, s->stmt) <= room;
    if (*fits)
        table_read_row(s->t, s->stmt, key, row);
    return 0;
}

void
row_scan_suspend(struct row_scan *s)
{
    sqlite3_finalize(s->stmt);
    s->stmt = NULL;
}

int
row_scan_resume(struct row_scan *s, const struct buf *key, struct err *e)
{
    struct reader r;

    if (prepare(s, table_select_after_sql(s->t), e) != 0)
        return -1;
    buf_clear(&s->after);
    buf_put(&s->after, key->data, key->len);
    r = reader_over(s->after.data, s->after.len);
    for (int i = 0; i < s->t->key_count; i++)
        if (value_bind(&r, s->stmt, 1 + i, e) != 0)
            return -1;
    return 0;
}

void
row_scan_close(struct row_scan *s)
{
    buf_release(&s->after);
    sqlite3_finalize(s->stmt);
    s->stmt = NULL;
}

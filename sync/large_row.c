/*
 * Large rows.  SQLite's own limit on the length of a row tells them before
 * anything of them is read; then each cell is read through a handle.
 */
#include "sync/large_row.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/stop.h"
#include "sync/open.h"
#include "sync/value.h"

#define PIECE (64 * 1024)

size_t
large_row_size_at(const struct table *t, sqlite3_stmt *stmt)
{
    size_t size = 0;

    /* The key of a table WITHOUT ROWID is among its columns. */
    for (int i = 0; i < t->column_count; i++) {
        sqlite3_value *v = sqlite3_column_value(stmt, t->key_count + i);
        int type = sqlite3_value_type(v);

        /* Of a number, asking would make a text. */
        if (type == SQLITE_TEXT || type == SQLITE_BLOB)
            size += (size_t)sqlite3_value_bytes(v);
        else
            size += sizeof(int64_t);
    }
    return size;
}

/* A step whose row is judged once SQLite has read it. */
static int
step_whole(const struct table *t, sqlite3_stmt *stmt, int limit)
{
    int rc = sqlite3_step(stmt);

    return rc == SQLITE_ROW && large_row_size_at(t, stmt) > (size_t)limit
               ? SQLITE_TOOBIG
               : rc;
}

int
row_step(const struct table *t, sqlite3_stmt *stmt, int limit)
{
    sqlite3 *db = sqlite3_db_handle(stmt);
    int before, rc;

    if (t->without_rowid)
        return step_whole(t, stmt, limit);
    before = sqlite3_limit(db, SQLITE_LIMIT_LENGTH, limit);
    rc = sqlite3_step(stmt);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, before);
    return rc;
}

int
row_step_key(const struct table *t, sqlite3_stmt *stmt, int limit)
{
    return t->filter != NULL ? step_whole(t, stmt, limit)
                             : row_step(t, stmt, limit);
}

/* "SELECT WHAT FROM t", then the rest, prepared. */
static int
prepare_cell(sqlite3 *db, const struct table *t, const char *what,
    const char *rest, sqlite3_stmt **stmt, struct err *e)
{
    char *name = sql_quote_name(t->name);
    char *rowid = sql_quote_name(t->rowid_name);
    char *sql = alloc_format("SELECT %s FROM main.%s WHERE %s%s", what, name,
        rowid, rest);
    int r = database_prepare(db, sql, stmt, e);

    free(sql);
    free(rowid);
    free(name);
    return r;
}

int
large_row_find(sqlite3 *db, const struct table *t, const int64_t *after,
    bool *found, int64_t *rowid, struct err *e)
{
    char *name = sql_quote_name(t->rowid_name);
    struct buf rest = BUF_INIT;
    sqlite3_stmt *stmt = NULL;
    int rc, r;

    *found = false;
    buf_printf(&rest, "%s?1", after == NULL ? ">=" : ">");
    table_put_filter(&rest, t, " AND ");
    buf_printf(&rest, " ORDER BY %s LIMIT 1", name);
    buf_put_u8(&rest, 0);
    r = prepare_cell(db, t, name, (const char *)rest.data, &stmt, e);

    if (r == 0) {
        sqlite3_bind_int64(stmt, 1, after == NULL ? INT64_MIN : *after);
        rc = sqlite3_step(stmt);
        *found = rc == SQLITE_ROW;
        if (*found)
            *rowid = sqlite3_column_int64(stmt, 0);
        else if (rc != SQLITE_DONE)
            r = database_error(db, e, "could not find a large row");
    }
    sqlite3_finalize(stmt);
    buf_release(&rest);
    free(name);
    return r;
}

static int
hash_handle(sqlite3 *db, sqlite3_blob *blob, enum value_type type,
    struct hasher *h, struct err *e)
{
    struct buf head = BUF_INIT;
    uint8_t *piece = alloc_bytes(PIECE);
    int size = sqlite3_blob_bytes(blob);
    int r = 0;

    buf_put_u8(&head, (uint8_t)type);
    buf_put_varint(&head, (uint64_t)size);
    hasher_update(h, head.data, head.len);
    for (int at = 0, n; r == 0 && at < size; at += n) {
        n = size - at < PIECE ? size - at : PIECE;
        if (stop_check(e) != 0)
            r = -1;
        else if (sqlite3_blob_read(blob, piece, n, at) != SQLITE_OK)
            r = database_error(db, e, "could not read a large value");
        else
            hasher_update(h, piece, (size_t)n);
    }
    free(piece);
    buf_release(&head);
    return r;
}

int
large_row_prepare(sqlite3 *db, const struct table *t, const char *what,
    int64_t rowid, sqlite3_stmt **stmt, struct err *e)
{
    if (prepare_cell(db, t, what, "=?1", stmt, e) != 0)
        return -1;
    sqlite3_bind_int64(*stmt, 1, rowid);
    return 0;
}

/* Whatever there is no handle for: a number, a default that is stored with the
 * schema. */
static int
hash_value(sqlite3 *db, const struct table *t, const char *column,
    int64_t rowid, struct hasher *h, struct err *e)
{
    char *name = sql_quote_name(column);
    struct buf value = BUF_INIT;
    sqlite3_stmt *stmt = NULL;
    int r = large_row_prepare(db, t, name, rowid, &stmt, e);

    if (r == 0) {
        if (sqlite3_step(stmt) == SQLITE_ROW) {
            value_put_column(&value, stmt, 0);
            hasher_update(h, value.data, value.len);
        } else {
            r = database_error(db, e, "could not read a value");
        }
    }
    sqlite3_finalize(stmt);
    buf_release(&value);
    free(name);
    return r;
}

int
large_row_type(sqlite3 *db, const struct table *t, const char *column,
    int64_t rowid, struct err *e)
{
    char *name = sql_quote_name(column);
    char *what = alloc_format("CASE typeof(%s) WHEN 'blob' THEN %d"
                              " WHEN 'text' THEN %d ELSE %d END",
        name, SQLITE_BLOB, SQLITE_TEXT, SQLITE_NULL);
    sqlite3_stmt *stmt = NULL;
    int type = -1;

    if (large_row_prepare(db, t, what, rowid, &stmt, e) == 0) {
        if (sqlite3_step(stmt) == SQLITE_ROW)
            type = sqlite3_column_int(stmt, 0);
        else
            database_error(db, e, "could not read a value's type");
    }
    sqlite3_finalize(stmt);
    free(what);
    free(name);
    return type;
}

static int
hash_cell(sqlite3 *db, const struct table *t, const char *column, int64_t rowid,
    struct hasher *h, struct err *e)
{
    sqlite3_blob *blob = NULL;
    int type = large_row_type(db, t, column, rowid, e);
    int r;

    if (type < 0)
        return -1;
    if (type == SQLITE_NULL || sqlite3_blob_open(db, "main", t->name, column,
                                   rowid, 0, &blob) != SQLITE_OK)
        r = hash_value(db, t, column, rowid, h, e);
    else
        r = hash_handle(db, blob, type == SQLITE_BLOB ? VALUE_BLOB : VALUE_TEXT,
            h, e);
    sqlite3_blob_close(blob);
    return r;
}

/* The value of a column, as value_put_column has it, not copied. */
static void
hash_column(sqlite3_stmt *stmt, int column, struct hasher *h)
{
    sqlite3_value *v = sqlite3_column_value(stmt, column);
    int type = sqlite3_value_type(v);
    struct buf head = BUF_INIT;
    const void *data;

    if (type != SQLITE_TEXT && type != SQLITE_BLOB) {
        value_put_column(&head, stmt, column);
        hasher_update(h, head.data, head.len);
    } else {
        data =
            type == SQLITE_TEXT ? sqlite3_value_text(v) : sqlite3_value_blob(v);
        buf_put_u8(&head, type == SQLITE_TEXT ? VALUE_TEXT : VALUE_BLOB);
        buf_put_varint(&head, (uint64_t)sqlite3_value_bytes(v));
        hasher_update(h, head.data, head.len);
        if (data != NULL)
            hasher_update(h, data, (size_t)sqlite3_value_bytes(v));
    }
    buf_release(&head);
}

static void
hash_table_name(const struct table *t, struct hasher *h)
{
    struct buf head = BUF_INIT;

    buf_put_varint(&head, strlen(t->name));
    buf_put(&head, t->name, strlen(t->name));
    hasher_update(h, head.data, head.len);
    buf_release(&head);
}

void
large_row_hash_at(const struct table *t, sqlite3_stmt *stmt, struct hasher *h,
    uint8_t hash[HASH_SIZE])
{
    hash_table_name(t, h);
    for (int i = 0; i < t->key_count + t->column_count; i++)
        hash_column(stmt, i, h);
    hasher_finish(h, hash);
}

int
large_row_hash(sqlite3 *db, const struct table *t, int64_t rowid,
    struct hasher *h, uint8_t hash[HASH_SIZE], struct err *e)
{
    struct buf head = BUF_INIT;
    int r = 0;

    hash_table_name(t, h);
    value_put_integer(&head, rowid);
    hasher_update(h, head.data, head.len);
    for (int i = 0; r == 0 && i < t->column_count; i++)
        r = hash_cell(db, t, t->columns[i].name, rowid, h, e);
    /* Also after an error: the hasher begins anew. */
    hasher_finish(h, hash);
    buf_release(&head);
    return r;
}

/* The row of a table WITHOUT ROWID. */
static int
hash_whole(sqlite3 *db, const struct table *t, struct reader *key,
    struct hasher *h, uint8_t hash[HASH_SIZE], struct err *e)
{
    char *sql = table_select_by_key_sql(t);
    sqlite3_stmt *stmt = NULL;
    int r = database_prepare(db, sql, &stmt, e);

    free(sql);
    for (int i = 0; r == 0 && i < t->key_count; i++)
        r = value_bind(key, stmt, i + 1, e);
    if (r == 0 && sqlite3_step(stmt) == SQLITE_ROW)
        large_row_hash_at(t, stmt, h, hash);
    else if (r == 0)
        r = database_error(db, e, "could not read a large row");
    sqlite3_finalize(stmt);
    return r;
}

int
large_row_hash_key(sqlite3 *db, const struct table *t, const void *key,
    size_t key_len, struct hasher *h, uint8_t hash[HASH_SIZE], struct err *e)
{
    struct reader r = reader_over(key, key_len);
    struct value rowid;

    if (t->without_rowid)
        return hash_whole(db, t, &r, h, hash, e);
    if (value_read(&r, &rowid) != 0)
        return err_set(e, ERR_CORRUPT, "malformed key");
    return large_row_hash(db, t, (int64_t)rowid.bits, h, hash, e);
}

int
large_row_read(sqlite3 *db, const struct table *t, int64_t rowid, size_t room,
    struct buf *key, struct buf *row, bool *fits, struct err *e)
{
    char *sql = table_select_by_key_sql(t);
    sqlite3_stmt *stmt = NULL;
    int rc, r = database_prepare(db, sql, &stmt, e);

    *fits = false;
    free(sql);
    if (r != 0)
        return -1;
    sqlite3_bind_int64(stmt, 1, rowid);
    rc = row_step(t, stmt, room < INT_MAX ? (int)room : INT_MAX);
    if (rc == SQLITE_ROW) {
        *fits = true;
        table_read_row(t, stmt, key, row);
    } else if (rc != SQLITE_TOOBIG) {
        r = database_error(db, e, "could not read a large row");
    }
    sqlite3_finalize(stmt);
    return r;
}

/*
 * A large row moved from one database to another: a row of zeros is made first,
 * then its blobs are filled through handles.
 */
#include "sync/large_row.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/stop.h"
#include "sync/open.h"

#define PIECE (64 * 1024)

struct large_copy {
    sqlite3 *to, *from;
    const struct table *t;
    int64_t rowid;
    sqlite3_stmt *insert;
    char *const *columns;
    int count;
    bool *zeros; /* by column: to be filled */
};

/* What is computed from a blob would be computed from zeros. */
static int
has_generated(const struct large_copy *c, bool *has, struct err *e)
{
    sqlite3_stmt *stmt;
    int rc;

    if (database_prepare(c->to,
            "SELECT 1 FROM pragma_table_xinfo(?1) WHERE hidden>1 LIMIT 1",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, c->t->name, -1, SQLITE_STATIC);
    rc = sqlite3_step(stmt);
    sqlite3_finalize(stmt);
    *has = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE
               ? 0
               : database_error(c->to, e, "could not read the columns");
}

/* Gives column I to parameter PARAMETER of STMT as it is. */
static int
bind_whole(const struct large_copy *c, int i, sqlite3_stmt *stmt, int parameter,
    struct err *e)
{
    char *name = sql_quote_name(c->columns[i]);
    sqlite3_stmt *select = NULL;
    int r = large_row_prepare(c->from, c->t, name, c->rowid, &select, e);

    if (r == 0 && sqlite3_step(select) != SQLITE_ROW)
        r = database_error(c->from, e, "could not read a value");
    if (r == 0 && sqlite3_bind_value(stmt, parameter,
                      sqlite3_column_value(select, 0)) != SQLITE_OK)
        r = database_error(c->to, e, "could not copy a value");
    sqlite3_finalize(select);
    free(name);
    return r;
}

static int
bind_column(struct large_copy *c, int i, struct err *e)
{
    sqlite3_blob *blob = NULL;
    int type = large_row_type(c->from, c->t, c->columns[i], c->rowid, e);
    int size = 0;

    if (type < 0)
        return -1;
    if (type == SQLITE_BLOB &&
        sqlite3_blob_open(c->from, "main", c->t->name, c->columns[i], c->rowid,
            0, &blob) == SQLITE_OK)
        size = sqlite3_blob_bytes(blob);
    sqlite3_blob_close(blob);
    c->zeros[i] = size > PIECE;
    if (!c->zeros[i])
        return bind_whole(c, i, c->insert, i + 1, e);
    sqlite3_bind_zeroblob(c->insert, i + 1, size);
    return 0;
}

static int
pour(const struct large_copy *c, sqlite3_blob *to, sqlite3_blob *from,
    struct err *e)
{
    uint8_t *piece = alloc_bytes(PIECE);
    int size = sqlite3_blob_bytes(from), r = 0;

    for (int at = 0, n; r == 0 && at < size; at += n) {
        n = size - at < PIECE ? size - at : PIECE;
        if (stop_check(e) != 0)
            r = -1;
        else if (sqlite3_blob_read(from, piece, n, at) != SQLITE_OK)
            r = database_error(c->from, e, "could not read a large value");
        else if (sqlite3_blob_write(to, piece, n, at) != SQLITE_OK)
            r = database_error(c->to, e, "could not write a large value");
    }
    free(piece);
    return r;
}

/* For a column that has no handle to write with. */
static int
update_whole(const struct large_copy *c, int i, struct err *e)
{
    char *table = sql_quote_name(c->t->name);
    char *column = sql_quote_name(c->columns[i]);
    char *rowid = sql_quote_name(c->t->rowid_name);
    char *sql = alloc_format("UPDATE OR ABORT main.%s SET %s=?1 WHERE %s=?2",
        table, column, rowid);
    sqlite3_stmt *stmt = NULL;
    int r = -1;

    if (database_prepare(c->to, sql, &stmt, e) == 0 &&
        bind_whole(c, i, stmt, 1, e) == 0) {
        sqlite3_bind_int64(stmt, 2, c->rowid);
        r = sqlite3_step(stmt) == SQLITE_DONE
                ? 0
                : database_error(c->to, e, "could not copy a value");
    }
    sqlite3_finalize(stmt);
    free(sql);
    free(rowid);
    free(column);
    free(table);
    return r;
}

static int
fill(const struct large_copy *c, int i, struct err *e)
{
    sqlite3_blob *from = NULL, *to = NULL;
    int r;

    if (sqlite3_blob_open(c->to, "main", c->t->name, c->columns[i], c->rowid, 1,
            &to) != SQLITE_OK)
        r = update_whole(c, i, e);
    else if (sqlite3_blob_open(c->from, "main", c->t->name, c->columns[i],
                 c->rowid, 0, &from) != SQLITE_OK)
        r = database_error(c->from, e, "could not read a large value");
    else
        r = pour(c, to, from, e);
    sqlite3_blob_close(from);
    sqlite3_blob_close(to);
    return r;
}

int
large_row_copy(sqlite3 *to, sqlite3 *from, const struct table *t, int64_t rowid,
    sqlite3_stmt *insert, char *const *columns, int count, struct err *e)
{
    struct large_copy c = { to, from, t, rowid, insert, columns, count,
        alloc_zeroed((size_t)count + 1, sizeof(bool)) };
    bool whole = false;
    int r = has_generated(&c, &whole, e);

    for (int i = 0; r == 0 && i < count; i++)
        r = whole ? bind_whole(&c, i, insert, i + 1, e) : bind_column(&c, i, e);
    if (r == 0 && sqlite3_step(insert) != SQLITE_DONE)
        r = database_error(to, e, "could not copy a row");
    sqlite3_reset(insert);
    sqlite3_clear_bindings(insert);
    for (int i = 0; r == 0 && i < count; i++)
        if (c.zeros[i])
            r = fill(&c, i, e);
    free(c.zeros);
    return r;
}

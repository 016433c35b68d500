/*
 * Making the published copy equal: the same changes, in one transaction, with
 * statements kept per table.  No trigger, foreign key or CHECK of the
 * application's acts here: their effects on the live file are changes already.
 */
#include "sync/source_internal.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/large_row.h"
#include "sync/open.h"
#include "sync/value.h"

void
source_statements_reset(struct source *s)
{
    if (s->schema != NULL && s->statements != NULL) {
        for (size_t i = 0; i < s->schema->table_count; i++) {
            sqlite3_finalize(s->statements[i].live_select);
            sqlite3_finalize(s->statements[i].select);
            sqlite3_finalize(s->statements[i].insert);
            sqlite3_finalize(s->statements[i].erase);
            for (int k = 0; k < SOURCE_UPDATES_KEPT; k++)
                sqlite3_finalize(s->statements[i].updates[k].stmt);
        }
    }
    free(s->statements);
    s->statements = NULL;
    if (s->schema != NULL)
        s->statements =
            alloc_zeroed(s->schema->table_count + 1, sizeof(*s->statements));
}

#define ALL_COLUMNS UINT64_MAX
/* A bit for each column, and one value to spare. */
#define COLUMNS_MAX 63

static struct table_statements *
statements_of(struct source *s, const struct table *t)
{
    return &s->statements[t - s->schema->tables];
}

/* The rowid is given apart when no column is it. */
static bool
has_bare_rowid(const struct table *t)
{
    return !t->without_rowid && !t->rowid_is_column;
}

static void
put_key_condition(struct buf *b, const struct table *t, int first)
{
    for (int i = 0; i < t->key_count; i++) {
        buf_printf(b, i == 0 ? " WHERE " : " AND ");
        sql_put_name(b, t->without_rowid ? t->columns[t->key_columns[i]].name
                                         : t->rowid_name);
        if (t->without_rowid) {
            buf_printf(b, " COLLATE ");
            sql_put_name(b, t->key_collations[i]);
        }
        buf_printf(b, "=?%d", first + i);
    }
}

/* Parameters: the columns, then (for a bare rowid) the rowid. */
static void
put_insert(struct buf *b, const struct table *t)
{
    buf_printf(b, "INSERT OR ABORT INTO main.");
    sql_put_name(b, t->name);
    for (int i = 0; i < t->column_count; i++) {
        buf_printf(b, i == 0 ? "(" : ",");
        sql_put_name(b, t->columns[i].name);
    }
    if (has_bare_rowid(t)) {
        buf_printf(b, ",");
        sql_put_name(b, t->rowid_name);
    }
    table_put_fillers(b, t, false);
    for (int i = 0; i < t->column_count + has_bare_rowid(t); i++)
        buf_printf(b, "%s?%d", i == 0 ? ") VALUES(" : ",", i + 1);
    table_put_fillers(b, t, true);
    buf_printf(b, ")");
}

static bool
is_in(uint64_t columns, int i)
{
    return columns == ALL_COLUMNS || (columns >> i & 1) != 0;
}

/* Parameters: the columns (those not in COLUMNS are passed over), then the
 * key.  Only what changed is set, so that other indexes stay untouched. */
static void
put_update(struct buf *b, const struct table *t, uint64_t columns)
{
    const char *separator = " SET ";

    buf_printf(b, "UPDATE OR ABORT main.");
    sql_put_name(b, t->name);
    for (int i = 0; i < t->column_count; i++) {
        if (!is_in(columns, i))
            continue;
        buf_printf(b, "%s", separator);
        sql_put_name(b, t->columns[i].name);
        buf_printf(b, "=?%d", i + 1);
        separator = ",";
    }
    put_key_condition(b, t, t->column_count + 1);
}

static void
put_erase(struct buf *b, const struct table *t)
{
    buf_printf(b, "DELETE FROM main.");
    sql_put_name(b, t->name);
    put_key_condition(b, t, 1);
}

static void
put_select(struct buf *b, const struct table *t)
{
    char *sql = table_select_by_key_sql(t);

    buf_printf(b, "%s", sql);
    free(sql);
}

/* Who writes which statement. */
static const struct {
    size_t offset;
    bool live;
    void (*put)(struct buf *b, const struct table *t);
} writers[] = {
    { offsetof(struct table_statements, live_select), true, put_select },
    { offsetof(struct table_statements, select), false, put_select },
    { offsetof(struct table_statements, insert), false, put_insert },
    { offsetof(struct table_statements, erase), false, put_erase },
};

/* The statement at OFFSET of struct table_statements, prepared; NULL with E. */
static sqlite3_stmt *
statement(struct source *s, const struct table *t, size_t offset, struct err *e)
{
    sqlite3_stmt **stmt =
        (sqlite3_stmt **)(void *)((char *)statements_of(s, t) + offset);
    struct buf sql = BUF_INIT;

    for (size_t i = 0; *stmt == NULL && i < sizeof(writers) / sizeof(*writers);
         i++) {
        if (writers[i].offset != offset)
            continue;
        writers[i].put(&sql, t);
        buf_put_u8(&sql, 0);
        if (database_prepare(writers[i].live ? s->live : s->published,
                (const char *)sql.data, stmt, e) != 0)
            err_wrap(e, "table \"%s\"", t->name);
        buf_release(&sql);
    }
    return *stmt;
}

/* The update of COLUMNS of T, prepared; NULL with E. */
static sqlite3_stmt *
update_of(struct source *s, const struct table *t, uint64_t columns,
    struct err *e)
{
    struct table_statements *kept = statements_of(s, t);
    struct buf sql = BUF_INIT;
    sqlite3_stmt *stmt = NULL;
    unsigned n;

    for (n = 0; n < SOURCE_UPDATES_KEPT; n++)
        if (kept->updates[n].stmt != NULL &&
            kept->updates[n].columns == columns)
            return kept->updates[n].stmt;
    put_update(&sql, t, columns);
    buf_put_u8(&sql, 0);
    if (database_prepare(s->published, (const char *)sql.data, &stmt, e) != 0)
        err_wrap(e, "table \"%s\"", t->name);
    buf_release(&sql);
    if (stmt == NULL)
        return NULL;
    n = kept->next_update++ % SOURCE_UPDATES_KEPT;
    sqlite3_finalize(kept->updates[n].stmt);
    kept->updates[n].columns = columns;
    kept->updates[n].stmt = stmt;
    return stmt;
}

static int
bind_tuple(sqlite3_stmt *stmt, int first, int count, const void *tuple,
    size_t len, struct err *e)
{
    struct reader r = reader_over(tuple, len);

    for (int i = 0; i < count; i++)
        if (value_bind(&r, stmt, first + i, e) != 0)
            return -1;
    return 0;
}

void
source_make_room(struct source *s, bool room)
{
    if (room == s->roomy)
        return;
    database_make_room(s->live, room);
    database_make_room(s->published, room);
    s->roomy = room;
}

int
source_find_row(struct source *s, const struct table *t, bool live,
    const void *key, size_t key_len, struct buf *found_key, struct buf *row,
    struct err *e)
{
    sqlite3_stmt *stmt = statement(s, t,
        live ? offsetof(struct table_statements, live_select)
             : offsetof(struct table_statements, select),
        e);
    int rc;

    buf_clear(found_key);
    buf_clear(row);
    if (stmt == NULL || bind_tuple(stmt, 1, t->key_count, key, key_len, e) != 0)
        return -1;
    rc = row_step_key(t, stmt, (int)SOURCE_CHANGES_MAX);
    if (rc == SQLITE_ROW)
        table_read_row(t, stmt, found_key, row);
    else if (rc != SQLITE_DONE && rc != SQLITE_TOOBIG)
        database_error(sqlite3_db_handle(stmt), e, "could not look a row up");
    sqlite3_reset(stmt);
    return rc == SQLITE_ROW      ? 1
           : rc == SQLITE_DONE   ? 0
           : rc == SQLITE_TOOBIG ? ROW_TOO_LARGE
                                 : -1;
}

/* Runs a bound statement that must touch exactly one row. */
static int
run(struct source *s, sqlite3_stmt *stmt, const struct table *t, struct err *e)
{
    int rc = sqlite3_step(stmt);
    int touched = sqlite3_changes(s->published);

    if (rc != SQLITE_DONE) {
        database_error(s->published, e, "could not change the published copy");
        sqlite3_reset(stmt);
        return err_wrap(e, "table \"%s\"", t->name);
    }
    sqlite3_reset(stmt);
    if (touched != 1)
        return err_set(e, ERR_CORRUPT,
            "table \"%s\" of the published copy lacks a row", t->name);
    return 0;
}

static int
erase(struct source *s, const struct table *t, const struct change *c,
    struct err *e)
{
    sqlite3_stmt *stmt =
        statement(s, t, offsetof(struct table_statements, erase), e);

    if (stmt == NULL ||
        bind_tuple(stmt, 1, t->key_count, c->old_key, c->old_key_len, e) != 0)
        return -1;
    return run(s, stmt, t, e);
}

static int
insert(struct source *s, const struct table *t, const struct change *c,
    struct err *e)
{
    sqlite3_stmt *stmt =
        statement(s, t, offsetof(struct table_statements, insert), e);

    if (stmt == NULL || bind_tuple(stmt, 1, t->column_count, c->new_row,
                            c->new_row_len, e) != 0)
        return -1;
    if (has_bare_rowid(t) && bind_tuple(stmt, t->column_count + 1, 1,
                                 c->new_key, c->new_key_len, e) != 0)
        return -1;
    return run(s, stmt, t, e);
}

/* A bit for each column in which the two rows of C differ. */
static uint64_t
columns_that_differ(const struct table *t, const struct change *c)
{
    struct reader old = reader_over(c->old_row, c->old_row_len);
    struct reader new = reader_over(c->new_row, c->new_row_len);
    uint64_t columns = 0;

    if (t->column_count > COLUMNS_MAX)
        return ALL_COLUMNS;
    for (int i = 0; i < t->column_count; i++) {
        const uint8_t *x = old.p, *y = new.p;

        value_skip(&old, 1);
        value_skip(&new, 1);
        if (old.p - x != new.p - y || memcmp(x, y, (size_t)(old.p - x)) != 0)
            columns |= (uint64_t)1 << i;
    }
    /* The same row under a key of other bytes. */
    return columns == 0 ? ALL_COLUMNS : columns;
}

static int
update(struct source *s, const struct table *t, const struct change *c,
    struct err *e)
{
    uint64_t columns = columns_that_differ(t, c);
    sqlite3_stmt *stmt = update_of(s, t, columns, e);
    struct reader row = reader_over(c->new_row, c->new_row_len);

    if (stmt == NULL)
        return -1;
    for (int i = 0; i < t->column_count; i++) {
        if (!is_in(columns, i))
            value_skip(&row, 1);
        else if (value_bind(&row, stmt, i + 1, e) != 0)
            return -1;
    }
    if (bind_tuple(stmt, t->column_count + 1, t->key_count, c->old_key,
            c->old_key_len, e) != 0)
        return -1;
    return run(s, stmt, t, e);
}

/* Removals first, so that a UNIQUE value may move from row to row; rows that
 * live on are updated in place only if UPDATES. */
int
source_apply(struct source *s, const struct change_set *set, bool updates,
    struct err *e)
{
    const struct table *t;

    for (size_t i = 0; i < set->count; i++) {
        const struct change *c = &set->items[i];

        t = schema_find_table(s->schema, c->table);
        if (c->old_row != NULL && (!updates || c->new_row == NULL) &&
            erase(s, t, c, e) != 0)
            return -1;
    }
    for (size_t i = 0; i < set->count; i++) {
        const struct change *c = &set->items[i];
        int r = 0;

        t = schema_find_table(s->schema, c->table);
        if (c->new_row != NULL)
            r = updates && c->old_row != NULL ? update(s, t, c, e)
                                              : insert(s, t, c, e);
        if (r != 0)
            return -1;
    }
    return 0;
}

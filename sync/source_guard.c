/*
 * What a publish may not do unasked: delete a large part of a table.
 */
#include "sync/source_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/stop.h"
#include "sync/open.h"
#include "sync/schema_select.h"

/* Rows of TABLE, without those that are protected in T. */
static int
count_rows(sqlite3 *db, const char *table, const struct table *t,
    uint64_t *rows, struct err *e)
{
    struct buf sql = BUF_INIT;
    sqlite3_stmt *stmt = NULL;
    int r;

    buf_printf(&sql, "SELECT count(*) FROM main.");
    sql_put_name(&sql, table);
    table_put_filter(&sql, t, " WHERE ");
    buf_put_u8(&sql, 0);
    r = database_prepare(db, (const char *)sql.data, &stmt, e);

    *rows = 0;
    if (r == 0 && sqlite3_step(stmt) == SQLITE_ROW)
        *rows = (uint64_t)sqlite3_column_int64(stmt, 0);
    else if (r == 0)
        r = database_error(db, e, "could not count rows");
    sqlite3_finalize(stmt);
    buf_release(&sql);
    return r;
}

/* A table of fewer rows is never guarded. */
#define GUARDED_ROWS 50

static int
guard_table(struct source *s, const char *table, uint64_t deleted,
    uint64_t rows, struct err *e)
{
    uint64_t percent = (uint64_t)s->config.delete_guard_percent;

    if (percent == 0 || rows < GUARDED_ROWS || deleted * 100 <= rows * percent)
        return 0;
    source_hold(s,
        "%llu of %llu rows of table \"%s\" would be deleted, more than %llu %%",
        (unsigned long long)deleted, (unsigned long long)rows, table,
        (unsigned long long)percent);
    return source_held_error(s, e);
}

int
source_guard(struct source *s, const struct change_set *set, struct err *e)
{
    uint64_t rows;

    if (s->config.delete_guard_percent == 0)
        return 0;
    for (size_t t = 0; t < set->table_count; t++) {
        uint64_t deleted = 0;

        for (size_t i = 0; i < set->count; i++)
            if (set->items[i].table == set->tables[t] &&
                set->items[i].new_row == NULL)
                deleted++;
        /* Ten deleted rows of fifty are allowed always: no need to count. */
        if (deleted * 100 <=
            (uint64_t)s->config.delete_guard_percent * GUARDED_ROWS)
            continue;
        if (count_rows(s->published, set->tables[t],
                schema_find_table(s->schema, set->tables[t]), &rows, e) != 0 ||
            guard_table(s, set->tables[t], deleted, rows, e) != 0)
            return -1;
    }
    return 0;
}

/* The table's heir in the live file: itself, or, when it was renamed, a new
 * table of its shape. */
static const struct table *
find_heir(const struct source *s, const struct schema *live,
    const struct table *t)
{
    const struct table *heir = schema_find_table(live, t->name);

    for (size_t i = 0; heir == NULL && i < live->table_count; i++)
        if (live->tables[i].unsupported == NULL &&
            schema_find_table(s->schema, live->tables[i].name) == NULL &&
            table_same_shape(t, &live->tables[i]))
            heir = &live->tables[i];
    return heir;
}

int
source_guard_counts(struct source *s, const struct schema *live, struct err *e)
{
    if (s->published == NULL || s->schema == NULL)
        return 0;
    for (size_t i = 0; i < s->schema->table_count; i++) {
        const struct table *t = &s->schema->tables[i];
        const struct table *heir;
        uint64_t old, new = 0;

        if (t->unsupported != NULL || schema_leaves_out(live, t->name))
            continue;
        /* Rows that are protected from now on are not lost. */
        heir = find_heir(s, live, t);
        if (count_rows(s->published, t->name, t, &old, e) != 0 ||
            (heir != NULL && count_rows(s->live, heir->name, t, &new, e) != 0))
            return -1;
        if (new < old && guard_table(s, t->name, old - new, old, e) != 0)
            return -1;
    }
    return 0;
}

/* "SELECT key FROM t ORDER BY key" on the published copy, "SELECT 1 FROM t
 * WHERE key" on the live file. */
struct key_walk {
    sqlite3_stmt *keys, *find;
};

static int
prepare_walk(struct source *s, const struct table *t, struct key_walk *w,
    struct err *e)
{
    char *keys = table_select_keys_sql(t), *find = table_find_sql(t);
    int r = -1;

    memset(w, 0, sizeof(*w));
    if (database_prepare(s->published, keys, &w->keys, e) == 0 &&
        database_prepare(s->live, find, &w->find, e) == 0)
        r = 0;
    free(keys);
    free(find);
    return r;
}

/* How many of the published keys are not in the live file. */
static int
count_gone(struct source *s, const struct table *t, uint64_t *gone,
    struct err *e)
{
    struct key_walk w;
    int rc = SQLITE_ROW, r = prepare_walk(s, t, &w, e);

    *gone = 0;
    while (r == 0 && (rc = sqlite3_step(w.keys)) == SQLITE_ROW) {
        int found;

        for (int i = 0; i < t->key_count; i++)
            sqlite3_bind_value(w.find, i + 1, sqlite3_column_value(w.keys, i));
        found = sqlite3_step(w.find);
        *gone += found == SQLITE_DONE;
        if (found != SQLITE_DONE && found != SQLITE_ROW)
            r = database_error(s->live, e, "could not look a row up");
        sqlite3_reset(w.find);
        if (r == 0)
            r = stop_check(e);
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = database_error(s->published, e, "could not read all keys");
    sqlite3_finalize(w.keys);
    sqlite3_finalize(w.find);
    return r;
}

int
source_guard_keys(struct source *s, const struct schema *live, struct err *e)
{
    if (source_guard_counts(s, live, e) != 0)
        return -1;
    if (s->published == NULL || s->schema == NULL ||
        s->config.delete_guard_percent == 0)
        return 0;
    for (size_t i = 0; i < s->schema->table_count; i++) {
        const struct table *t = &s->schema->tables[i];
        const struct table *now = schema_find_table(live, t->name);
        uint64_t rows, gone;

        if (t->unsupported != NULL || now == NULL ||
            !table_same_shape(t, now) || schema_leaves_out(live, t->name))
            continue;
        if (count_rows(s->published, t->name, t, &rows, e) != 0)
            return -1;
        if (rows < GUARDED_ROWS)
            continue;
        if (count_gone(s, t, &gone, e) != 0 ||
            guard_table(s, t->name, gone, rows, e) != 0)
            return -1;
    }
    return 0;
}

/*
 * The copy of the live file that becomes the published one: page by page, or,
 * when not all of it is replicated, row by row.  Pages would carry along what
 * is protected, and rows that were deleted long ago.
 */
#include "sync/source_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sync/open.h"
#include "sync/rowcopy.h"

/* The settings that a file has from its first page on. */
static int
repeat_layout(sqlite3 *to, sqlite3 *from, struct err *e)
{
    static const char *const names[] = { "page_size", "auto_vacuum" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        sqlite3_stmt *stmt;
        char sql[64];
        int value;

        snprintf(sql, sizeof(sql), "PRAGMA main.%s", names[i]);
        if (database_prepare(from, sql, &stmt, e) != 0)
            return -1;
        value =
            sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int(stmt, 0) : 0;
        sqlite3_finalize(stmt);
        snprintf(sql, sizeof(sql), "PRAGMA main.%s=%d", names[i], value);
        if (database_exec(to, sql, e) != 0)
            return -1;
    }
    return 0;
}

/* The texts of all objects must lead to the schema they are from. */
static int
check_made(struct source *s, sqlite3 *to, const struct schema *schema,
    struct err *e)
{
    struct schema *made = NULL;
    int r = schema_load_selected(&made, to, s->config.selection, e);

    if (r == 0 && memcmp(made->hash, schema->hash, HASH_SIZE) != 0) {
        source_hold(s, "its schema cannot be made again from its own text, so "
                       "that nothing in it can be protected or excluded");
        r = source_held_error(s, e);
    }
    schema_free(made);
    return r;
}

static int
copy_rows(struct source *s, sqlite3 *to, const struct schema *schema,
    struct err *e)
{
    struct buf specials = BUF_INIT;
    int r = -1;

    database_allow_shadows(to, schema->has_shadows);
    if (database_exec(to, "BEGIN", e) != 0 ||
        rowcopy_tables(to, schema, e) != 0)
        goto out;
    for (size_t i = 0; i < schema->table_count; i++)
        if (rowcopy_rows(to, s->live, &schema->tables[i], ROWCOPY_REPLICATED,
                e) != 0)
            goto out;
    if (rowcopy_dependants(to, schema, e) != 0 ||
        specials_read(s->live, &schema->selection, &specials, e) != 0 ||
        specials_write(to, &schema->selection, specials.data, specials.len,
            e) != 0 ||
        check_made(s, to, schema, e) != 0)
        goto out;
    r = database_exec(to, "COMMIT", e);
out:
    buf_release(&specials);
    return r;
}

static int
copy_selected(struct source *s, sqlite3 *to, struct err *e)
{
    struct schema *schema = NULL;
    int r = -1;

    /* Its own triggers, foreign keys and checks have done their work. */
    if (database_suspend_rules(to, e) == 0 &&
        repeat_layout(to, s->live, e) == 0 &&
        source_load_live(s, &schema, e) == 0)
        r = copy_rows(s, to, schema, e);
    schema_free(schema);
    return r;
}

int
source_copy_live(struct source *s, const char *path, struct err *e)
{
    sqlite3 *db = NULL;
    int r = -1;

    if (sqlite3_open_v2(path, &db,
            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
            NULL) != SQLITE_OK)
        database_error(db, e, "could not make the published copy");
    else if (database_exec(db,
                 "PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF", e) == 0)
        r = s->config.selection[0] != '\0' ? copy_selected(s, db, e)
                                           : source_copy_pages(s, db, e);
    database_close(db);
    /* What follows needs no lock of another application's file. */
    if (r == 0 && source_leaves_no_trace(s))
        source_live_end(s);
    return r;
}

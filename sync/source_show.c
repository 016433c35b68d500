/*
 * Reading history for people: the list of revisions, and what one of them
 * changed.
 */
#include "sync/source_internal.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "sync/open.h"

#define ENTRY_COLUMNS                                                     \
    "revision,made_ms,rows,digest_after,writer,ddl IS NOT NULL,compared," \
    "who,reason,added,changed,removed,barrier"

static void
set_count(json_t *o, const char *name, sqlite3_stmt *stmt, int column)
{
    json_object_set_new(o, name,
        sqlite3_column_type(stmt, column) == SQLITE_NULL
            ? json_null()
            : json_integer(sqlite3_column_int64(stmt, column)));
}

/* The first columns of STMT are ENTRY_COLUMNS. */
static json_t *
entry_json(sqlite3_stmt *stmt)
{
    bool compared = sqlite3_column_int(stmt, 6) != 0;
    json_t *o = json_object();

    set_count(o, "revision", stmt, 0);
    json_object_set_new(o, "time", json_time(sqlite3_column_int64(stmt, 1)));
    set_count(o, "rows", stmt, 2);
    set_count(o, "added", stmt, 9);
    set_count(o, "changed", stmt, 10);
    set_count(o, "removed", stmt, 11);
    json_object_set_new(o, "who",
        json_text((const char *)sqlite3_column_text(stmt, 7)));
    json_object_set_new(o, "found",
        json_string(compared ? "compare" : "triggers"));
    json_object_set_new(o, "reason",
        json_text((const char *)sqlite3_column_text(stmt, 8)));
    json_object_set_new(o, "ddl", json_boolean(sqlite3_column_int(stmt, 5)));
    json_object_set_new(o, "whole", json_boolean(sqlite3_column_int(stmt, 12)));
    json_object_set_new(o, "compared", json_boolean(compared));
    json_object_set_new(o, "digest",
        json_hex(sqlite3_column_blob(stmt, 3),
            (size_t)sqlite3_column_bytes(stmt, 3)));
    json_object_set_new(o, "writer",
        json_hex(sqlite3_column_blob(stmt, 4),
            (size_t)sqlite3_column_bytes(stmt, 4)));
    return o;
}

int
source_history(struct source *source, size_t max, struct json_t **list,
    struct err *e)
{
    sqlite3_stmt *stmt;
    int rc;

    *list = NULL;
    if (database_prepare(source->history,
            "SELECT " ENTRY_COLUMNS
            " FROM history ORDER BY revision DESC LIMIT ?1",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_int64(stmt, 1, max > INT32_MAX ? INT32_MAX : (int64_t)max);
    *list = json_array();
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        json_array_append_new(*list, entry_json(stmt));
    sqlite3_finalize(stmt);
    if (rc == SQLITE_DONE)
        return 0;
    json_decref(*list);
    *list = NULL;
    return database_error(source->history, e, "could not read the history");
}

static int
read_shapes(struct source *s, const void *hash, int len, struct shapes *shapes,
    struct err *e)
{
    sqlite3_stmt *stmt;
    int rc, r = 0;

    if (database_prepare(s->history, "SELECT tables FROM shapes WHERE hash=?1",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_blob(stmt, 1, hash, len, SQLITE_STATIC);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        r = shapes_decode(shapes, sqlite3_column_blob(stmt, 0),
            (size_t)sqlite3_column_bytes(stmt, 0), e);
    else if (rc != SQLITE_DONE)
        r = database_error(s->history, e, "could not read the history");
    sqlite3_finalize(stmt);
    return r;
}

static int
show_schema(sqlite3_stmt *stmt, int column, const struct diff_sink *sink,
    struct err *e)
{
    struct reader r = reader_over(sqlite3_column_blob(stmt, column),
        (size_t)sqlite3_column_bytes(stmt, column));
    uint64_t count;

    if (reader_left(&r) == 0)
        return 0;
    count = reader_varint(&r);
    for (uint64_t i = 0; i < count && !r.failed; i++) {
        uint64_t len = reader_varint(&r);
        const uint8_t *sql;

        if (r.failed || len > reader_left(&r))
            break;
        sql = reader_take(&r, (size_t)len);
        sink->schema(sink->ctx, '+', (const char *)sql, (size_t)len);
    }
    return reader_done(&r) ? 0 : err_set(e, ERR_CORRUPT, "damaged history");
}

int
history_entry_read(struct source *s, uint64_t revision,
    struct history_rows *rows, const struct diff_sink *sink,
    struct json_t **entry, struct err *e)
{
    sqlite3_stmt *stmt;
    int rc, r = -1;

    if (database_prepare(s->history,
            "SELECT " ENTRY_COLUMNS ",ddl,changes,schema_before,schema_after"
            " FROM history WHERE revision=?1",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_int64(stmt, 1, (int64_t)revision);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_DONE) {
        err_set(e, ERR_NOT_FOUND,
            "history does not hold revision %llu of \"%s\"",
            (unsigned long long)revision, s->config.name);
        err_hint(e, "\"lockstep dataset history %s\" shows what it holds.",
            s->config.name);
        goto out;
    }
    if (rc != SQLITE_ROW) {
        database_error(s->history, e, "could not read the history");
        goto out;
    }
    if (entry != NULL)
        *entry = entry_json(stmt);
    rows->whole = sqlite3_column_int(stmt, 12) != 0;
    if (read_shapes(s, sqlite3_column_blob(stmt, 15),
            sqlite3_column_bytes(stmt, 15), &rows->before, e) != 0 ||
        read_shapes(s, sqlite3_column_blob(stmt, 16),
            sqlite3_column_bytes(stmt, 16), &rows->after, e) != 0 ||
        show_schema(stmt, 13, sink, e) != 0)
        goto out;
    r = rows->whole
            ? 0
            : change_set_decode(&rows->set, sqlite3_column_blob(stmt, 14),
                  (size_t)sqlite3_column_bytes(stmt, 14), e);
out:
    sqlite3_finalize(stmt);
    return r;
}

void
history_rows_release(struct history_rows *rows)
{
    change_set_release(&rows->set);
    shapes_release(&rows->before);
    shapes_release(&rows->after);
}

int
source_show(struct source *source, uint64_t revision,
    const struct diff_sink *sink, struct diff_summary *summary, struct err *e)
{
    struct history_rows rows = { .whole = false };
    int r;

    memset(summary, 0, sizeof(*summary));
    summary->from_revision = revision - 1;
    summary->to_revision = revision;
    r = history_entry_read(source, revision, &rows, sink, &summary->entry, e);
    if (r == 0 && rows.whole) {
        summary->whole = true;
        snprintf(summary->why, sizeof(summary->why),
            "its rows were not kept one by one");
    }
    for (size_t i = 0; r == 0 && i < rows.set.count; i++) {
        const struct change *c = &rows.set.items[i];

        r = sink->row(sink->ctx, c, shapes_find(&rows.before, c->table),
            shapes_find(&rows.after, c->table), e);
    }
    history_rows_release(&rows);
    return r;
}

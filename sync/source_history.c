/*
 * history.db: every revision with what changed, old values included.  An entry
 * is durable before the published copy has its revision; one above the
 * published revision is a publish that was cut short, and is discarded.
 */
#include "sync/source_internal.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "sync/open.h"
#include "sync/sound.h"

static const char create_sql[] =
    "CREATE TABLE IF NOT EXISTS history(revision INTEGER PRIMARY KEY,"
    " made_ms INTEGER NOT NULL, writer BLOB NOT NULL, rows INTEGER NOT NULL,"
    " digest_before BLOB NOT NULL, digest_after BLOB NOT NULL,"
    " schema_before BLOB NOT NULL, schema_after BLOB NOT NULL,"
    " ddl BLOB, specials_new BLOB, changes BLOB,"
    " barrier INTEGER NOT NULL, compared INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL)";
static const char insert_sql[] =
    "INSERT OR REPLACE INTO history(revision,made_ms,writer,rows,digest_before,"
    "digest_after,schema_before,schema_after,ddl,specials_new,changes,barrier,"
    "compared,bytes) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)";

static int
try_open(struct source *s, struct err *e)
{
    if (database_open(&s->history, s->history_path, OPEN_CREATE,
            SOURCE_READ_WAIT_MS, e) != 0 ||
        database_exec(s->history, create_sql, e) != 0 ||
        database_sound(s->history, e) != 0)
        return -1;
    sqlite3_wal_autocheckpoint(s->history, 4000);
    return database_prepare(s->history, insert_sql, &s->history_insert, e);
}

static void
close_history(struct source *s)
{
    sqlite3_finalize(s->history_insert);
    s->history_insert = NULL;
    database_close(s->history);
    s->history = NULL;
}

/* A damaged history costs catch-up only; it is put aside. */
int
history_open(struct source *s, struct err *e)
{
    char *aside, *side;
    int r;

    if (try_open(s, e) == 0)
        return 0;
    close_history(s);
    if (e->code != ERR_CORRUPT)
        return -1;
    err_clear(e);
    aside = file_join(s->config.work_dir, "history.damaged.db");
    r = file_rename(s->history_path, aside, e);
    free(aside);
    side = file_join(s->config.work_dir, "history.db-wal");
    if (r == 0)
        r = file_remove(side, e);
    free(side);
    side = file_join(s->config.work_dir, "history.db-shm");
    if (r == 0)
        r = file_remove(side, e);
    free(side);
    if (r != 0)
        return -1;
    source_notice(s, "history-damaged",
        "the history was damaged and begins anew; secondaries that are behind "
        "will be overwritten");
    return try_open(s, e);
}

int
history_discard_above(struct source *s, uint64_t revision, struct err *e)
{
    char sql[80];

    snprintf(sql, sizeof(sql), "DELETE FROM history WHERE revision>%llu",
        (unsigned long long)revision);
    return database_exec(s->history, sql, e);
}

int
history_newest(struct source *s, uint64_t *revision, struct err *e)
{
    sqlite3_stmt *stmt;
    int r = 0;

    *revision = 0;
    if (database_prepare(s->history,
            "SELECT coalesce(max(revision),0) FROM history", &stmt, e) != 0)
        return -1;
    if (sqlite3_step(stmt) == SQLITE_ROW)
        *revision = (uint64_t)sqlite3_column_int64(stmt, 0);
    else
        r = database_error(s->history, e, "could not read the history");
    sqlite3_finalize(stmt);
    return r;
}

int
history_changes(struct source *s, uint64_t revision, struct change_set *set,
    struct err *e)
{
    sqlite3_stmt *stmt;
    int rc, r = 0;

    if (database_prepare(s->history,
            "SELECT changes FROM history WHERE revision=?1 AND barrier=0",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_int64(stmt, 1, (int64_t)revision);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        r = change_set_decode(set, sqlite3_column_blob(stmt, 0),
            (size_t)sqlite3_column_bytes(stmt, 0), e);
    else if (rc != SQLITE_DONE)
        r = database_error(s->history, e, "could not read the history");
    sqlite3_finalize(stmt);
    return r;
}

/* The specials are those of the newest revision up to there that changed them,
 * if history is whole in between. */
int
history_recall(struct source *s, uint64_t revision, int64_t *made_ms,
    bool *known, struct buf *specials, struct err *e)
{
    sqlite3_stmt *stmt;
    int rc, r = 0;

    *made_ms = 0;
    *known = false;
    if (database_prepare(s->history,
            "SELECT (SELECT made_ms FROM history WHERE revision=?1),"
            " specials_new, ?1-revision=(SELECT count(*) FROM history AS h"
            " WHERE h.revision>history.revision AND h.revision<=?1"
            " AND h.barrier=0)"
            " FROM history WHERE revision<=?1 AND specials_new IS NOT NULL"
            " ORDER BY revision DESC LIMIT 1",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_int64(stmt, 1, (int64_t)revision);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        *made_ms = sqlite3_column_int64(stmt, 0);
        *known = sqlite3_column_int(stmt, 2) == 1;
        if (*known)
            buf_put(specials, sqlite3_column_blob(stmt, 1),
                (size_t)sqlite3_column_bytes(stmt, 1));
    } else if (rc != SQLITE_DONE) {
        r = database_error(s->history, e, "could not read the history");
    }
    sqlite3_finalize(stmt);
    return r;
}

static void
bind_buf(sqlite3_stmt *stmt, int parameter, const struct buf *b)
{
    if (b == NULL)
        sqlite3_bind_null(stmt, parameter);
    else
        sqlite3_bind_blob64(stmt, parameter,
            b->len > 0 ? (const void *)b->data : "", b->len, SQLITE_STATIC);
}

static size_t
size_of(const struct buf *b)
{
    return b == NULL ? 0 : b->len;
}

int
history_add(struct source *s, const struct history_entry *h, struct err *e)
{
    sqlite3_stmt *stmt = s->history_insert;
    int rc;

    sqlite3_bind_int64(stmt, 1, (int64_t)h->revision);
    sqlite3_bind_int64(stmt, 2, h->made_ms);
    sqlite3_bind_blob(stmt, 3, s->writer, ID_SIZE, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 4, (int64_t)h->rows);
    sqlite3_bind_blob(stmt, 5, h->digest_before.sum, HASH_SIZE, SQLITE_STATIC);
    sqlite3_bind_blob(stmt, 6, h->digest_after.sum, HASH_SIZE, SQLITE_STATIC);
    sqlite3_bind_blob(stmt, 7, h->schema_before, HASH_SIZE, SQLITE_STATIC);
    sqlite3_bind_blob(stmt, 8, h->schema_after, HASH_SIZE, SQLITE_STATIC);
    bind_buf(stmt, 9, h->ddl);
    bind_buf(stmt, 10, h->specials);
    bind_buf(stmt, 11, h->changes);
    sqlite3_bind_int(stmt, 12, h->changes == NULL);
    sqlite3_bind_int(stmt, 13, h->compared);
    sqlite3_bind_int64(stmt, 14,
        (int64_t)(256 + size_of(h->ddl) + size_of(h->specials) +
                  size_of(h->changes)));
    rc = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    if (rc != SQLITE_DONE)
        return database_error(s->history, e, "could not write the history");
    return 0;
}

int
history_retain(struct source *s, struct err *e)
{
    char sql[512];

    /* The newest entry stays, whatever its size and age. */
    snprintf(sql, sizeof(sql),
        "DELETE FROM history WHERE revision<(SELECT max(revision) FROM history)"
        " AND (made_ms<%lld OR revision<=(SELECT coalesce(max(revision),0)"
        " FROM (SELECT revision, sum(bytes) OVER (ORDER BY revision DESC) AS"
        " kept FROM history) WHERE kept>%llu))",
        (long long)(clock_utc_ms() - s->config.history_age_ms),
        (unsigned long long)s->config.history_bytes);
    return database_exec(s->history, sql, e);
}

static bool
is_blob_of(sqlite3_stmt *stmt, int column, const void *data, int len)
{
    const void *blob = sqlite3_column_blob(stmt, column);

    return blob != NULL && sqlite3_column_bytes(stmt, column) == len &&
           memcmp(blob, data, (size_t)len) == 0;
}

int
source_knows(struct source *source, uint64_t revision,
    const struct digest *digest, bool *known, bool *chained, struct err *e)
{
    sqlite3_stmt *stmt;
    int rc, r = 0;

    *known = *chained = false;
    if (revision == 0 || revision > source->state.revision)
        return 0;
    if (revision == source->state.revision) {
        *known = *chained = digest_equal(digest, &source->state.digest);
        return 0;
    }
    if (database_prepare(source->history,
            "SELECT coalesce((SELECT digest_after FROM history WHERE"
            " revision=?1),(SELECT digest_before FROM history WHERE"
            " revision=?1+1)), count(*), coalesce(sum(barrier),0)"
            " FROM history WHERE revision>?1 AND revision<=?2",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_int64(stmt, 1, (int64_t)revision);
    sqlite3_bind_int64(stmt, 2, (int64_t)source->state.revision);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        *known = is_blob_of(stmt, 0, digest->sum, HASH_SIZE);
        *chained = *known &&
                   (uint64_t)sqlite3_column_int64(stmt, 1) ==
                       source->state.revision - revision &&
                   sqlite3_column_int64(stmt, 2) == 0;
    } else {
        r = database_error(source->history, e, "could not read the history");
    }
    sqlite3_finalize(stmt);
    return r;
}

static json_t *
entry_json(sqlite3_stmt *stmt)
{
    json_t *o = json_object();

    json_object_set_new(o, "revision",
        json_integer(sqlite3_column_int64(stmt, 0)));
    json_object_set_new(o, "time", json_time(sqlite3_column_int64(stmt, 1)));
    json_object_set_new(o, "rows", json_integer(sqlite3_column_int64(stmt, 2)));
    json_object_set_new(o, "digest",
        json_hex(sqlite3_column_blob(stmt, 3),
            (size_t)sqlite3_column_bytes(stmt, 3)));
    json_object_set_new(o, "writer",
        json_hex(sqlite3_column_blob(stmt, 4),
            (size_t)sqlite3_column_bytes(stmt, 4)));
    json_object_set_new(o, "ddl", json_boolean(sqlite3_column_int(stmt, 5)));
    json_object_set_new(o, "compared",
        json_boolean(sqlite3_column_int(stmt, 6)));
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
            "SELECT revision,made_ms,rows,digest_after,writer,ddl IS NOT NULL,"
            "compared FROM history ORDER BY revision DESC LIMIT ?1",
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

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
#include "sync/shape.h"
#include "sync/sound.h"

static const char create_sql[] =
    "CREATE TABLE IF NOT EXISTS history(revision INTEGER PRIMARY KEY,"
    " made_ms INTEGER NOT NULL, writer BLOB NOT NULL, rows INTEGER NOT NULL,"
    " digest_before BLOB NOT NULL, digest_after BLOB NOT NULL,"
    " schema_before BLOB NOT NULL, schema_after BLOB NOT NULL,"
    " ddl BLOB, specials_new BLOB, changes BLOB,"
    " barrier INTEGER NOT NULL, compared INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS shapes(hash BLOB PRIMARY KEY, tables BLOB NOT"
    " NULL) WITHOUT ROWID";
/* How much there is of what age, without reading it. */
static const char index_sql[] = "CREATE INDEX IF NOT EXISTS history_sizes ON"
                                " history(revision, made_ms, bytes)";
/* Names of so many schemas are kept before any is forgotten. */
#define SHAPES_MAX 64
/* What history.db got since the first version; NULL in older entries. */
static const struct later_column {
    const char *name, *type;
} later_columns[] = {
    { "who", "TEXT" }, { "reason", "TEXT" }, { "added", "INTEGER" },
    { "changed", "INTEGER" }, { "removed", "INTEGER" },
    { "total", "INTEGER" }, /* rows of all tables */
};
static const char insert_sql[] =
    "INSERT OR REPLACE INTO history(revision,made_ms,writer,rows,digest_before,"
    "digest_after,schema_before,schema_after,ddl,specials_new,changes,barrier,"
    "compared,bytes,who,reason,added,changed,removed,total) VALUES(?1,?2,?3,?4,"
    "?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20)";

static int
widen_by(sqlite3 *db, const struct later_column *column, struct err *e)
{
    sqlite3_stmt *stmt;
    char sql[100];
    int rc;

    if (database_prepare(db,
            "SELECT 1 FROM pragma_table_info('history') WHERE name=?1", &stmt,
            e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, column->name, -1, SQLITE_STATIC);
    rc = sqlite3_step(stmt);
    sqlite3_finalize(stmt);
    if (rc == SQLITE_ROW)
        return 0;
    if (rc != SQLITE_DONE)
        return database_error(db, e, "could not read the history");
    snprintf(sql, sizeof(sql), "ALTER TABLE history ADD COLUMN %s %s",
        column->name, column->type);
    return database_exec(db, sql, e);
}

/* A file of an earlier version gets the columns that came later. */
static int
widen(sqlite3 *db, struct err *e)
{
    for (size_t i = 0; i < sizeof(later_columns) / sizeof(later_columns[0]);
         i++)
        if (widen_by(db, &later_columns[i], e) != 0)
            return -1;
    return 0;
}

static int
note_log_pages(void *ctx, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    ((struct source *)ctx)->history_log_pages = pages;
    return SQLITE_OK;
}

static int
try_open(struct source *s, struct err *e)
{
    memset(s->named_schema, 0, HASH_SIZE);
    if (database_open(&s->history, s->history_path, OPEN_CREATE,
            SOURCE_READ_WAIT_MS, e) != 0 ||
        database_exec(s->history, create_sql, e) != 0 ||
        database_sound(s->history, e) != 0 ||
        database_exec(s->history, index_sql, e) != 0)
        return -1;
    sqlite3_wal_hook(s->history, note_log_pages, s);
    if (widen(s->history, e) != 0)
        return -1;
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

static void
bind_text(sqlite3_stmt *stmt, int parameter, const char *text)
{
    sqlite3_bind_text(stmt, parameter, text, -1, SQLITE_STATIC);
}

/* No counts by kind for a barrier. */
static void
bind_counts(sqlite3_stmt *stmt, int parameter, const struct history_entry *h)
{
    if (h->changes == NULL)
        return;
    sqlite3_bind_int64(stmt, parameter, (int64_t)h->added);
    sqlite3_bind_int64(stmt, parameter + 1, (int64_t)h->changed);
    sqlite3_bind_int64(stmt, parameter + 2, (int64_t)h->removed);
}

int
history_name_schema(struct source *s, struct err *e)
{
    struct shapes shapes = SHAPES_INIT;
    struct buf tables = BUF_INIT;
    sqlite3_stmt *stmt = NULL;
    int r = -1;

    if (s->schema == NULL ||
        memcmp(s->named_schema, s->schema->hash, HASH_SIZE) == 0)
        return 0;
    shapes_of_schema(&shapes, s->schema);
    shapes_encode(&shapes, &tables);
    if (database_prepare(s->history,
            "INSERT OR IGNORE INTO shapes VALUES(?1,?2)", &stmt, e) != 0)
        goto out;
    sqlite3_bind_blob(stmt, 1, s->schema->hash, HASH_SIZE, SQLITE_STATIC);
    bind_buf(stmt, 2, &tables);
    if (sqlite3_step(stmt) != SQLITE_DONE) {
        database_error(s->history, e, "could not write the history");
        goto out;
    }
    memcpy(s->named_schema, s->schema->hash, HASH_SIZE);
    r = 0;
out:
    sqlite3_finalize(stmt);
    buf_release(&tables);
    shapes_release(&shapes);
    return r;
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

    if (history_name_schema(s, e) != 0)
        return -1;
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
    bind_text(stmt, 15, h->who);
    bind_text(stmt, 16, h->reason);
    bind_counts(stmt, 17, h);
    sqlite3_bind_int64(stmt, 20, (int64_t)h->total);
    rc = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    if (rc != SQLITE_DONE)
        return database_error(s->history, e, "could not write the history");
    return 0;
}

/* Nothing to be shown needs it.  All entries are looked through for that. */
static int
forget_shapes(struct source *s, struct err *e)
{
    char sql[256];

    snprintf(sql, sizeof(sql),
        "DELETE FROM shapes WHERE (SELECT count(*) FROM shapes)>%d"
        " AND hash NOT IN (SELECT schema_before FROM history"
        " UNION SELECT schema_after FROM history)",
        SHAPES_MAX);
    return database_exec(s->history, sql, e);
}

int
history_retain(struct source *s, struct err *e)
{
    char sql[512];

    /* The newest entry stays, whatever its size and age.  Only the index is
     * read: the entries are hundreds of megabytes. */
    snprintf(sql, sizeof(sql),
        "DELETE FROM history WHERE revision<(SELECT max(revision) FROM history)"
        " AND (revision IN (SELECT revision FROM history INDEXED BY"
        " history_sizes WHERE made_ms<%lld) OR revision<=(SELECT"
        " coalesce(max(revision),0) FROM (SELECT revision, sum(bytes) OVER"
        " (ORDER BY revision DESC) AS kept FROM history INDEXED BY"
        " history_sizes) WHERE kept>%llu))",
        (long long)(clock_utc_ms() - s->config.history_age_ms),
        (unsigned long long)s->config.history_bytes);
    if (database_exec(s->history, sql, e) != 0)
        return -1;
    return sqlite3_changes(s->history) > 0 ? forget_shapes(s, e) : 0;
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
    if (source_newest_leads_from(source, revision)) {
        *known = *chained = digest_equal(digest, &source->newest.digest_before);
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

/*
 * Replacing a live database by an uploaded one.  The upload is made into what
 * the live database would be (our triggers, its nonce, its page size), so that
 * the source finds a changed database and not a foreign one; then SQLite itself
 * copies it over, under the feet of every program that has it open.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/datasets.h"
#include "daemon/vfs_upload.h"
#include "sync/capture.h"
#include "sync/copy.h"
#include "sync/open.h"
#include "sync/schema.h"
#include "sync/sound.h"

#define WAIT_MS 2000

/* A pragma's first value as text. */
static int
pragma_text(sqlite3 *db, const char *sql, char *out, size_t size, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    const char *text;
    int r = -1;

    if (database_prepare(db, sql, &stmt, e) != 0)
        return -1;
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        text = (const char *)sqlite3_column_text(stmt, 0);
        snprintf(out, size, "%s", text != NULL ? text : "");
        r = 0;
    } else {
        database_error(db, e, sql);
    }
    sqlite3_finalize(stmt);
    return r;
}

static int
check_sound(sqlite3 *db, struct err *e)
{
    return database_sound(db, e) == 0 ? 0
                                      : err_wrap(e, "the uploaded database");
}

static int
check_same_kind(sqlite3 *upload, sqlite3 *live, struct err *e)
{
    struct schema *have = NULL;
    struct schema *want = NULL;
    char encoding[2][32];
    int r = -1;

    if (schema_load(&have, upload, e) != 0 || schema_load(&want, live, e) != 0)
        goto out;
    if (memcmp(have->hash, want->hash, HASH_SIZE) != 0) {
        err_set(e, ERR_SCHEMA, "the uploaded database has another schema");
        err_hint(e, "Change the schema in the live database; upload rows.");
        goto out;
    }
    if (pragma_text(upload, "PRAGMA encoding", encoding[0], sizeof(encoding[0]),
            e) != 0 ||
        pragma_text(live, "PRAGMA encoding", encoding[1], sizeof(encoding[1]),
            e) != 0)
        goto out;
    if (strcmp(encoding[0], encoding[1]) != 0) {
        err_set(e, ERR_SCHEMA, "the uploaded database is in %s, ours in %s",
            encoding[0], encoding[1]);
        goto out;
    }
    r = 0;
out:
    schema_free(have);
    schema_free(want);
    return r;
}

static int
match_page_size(sqlite3 *upload, sqlite3 *live, struct err *e)
{
    char have[32];
    char want[32];
    char sql[64];

    if (pragma_text(upload, "PRAGMA page_size", have, sizeof(have), e) != 0 ||
        pragma_text(live, "PRAGMA page_size", want, sizeof(want), e) != 0)
        return -1;
    if (strcmp(have, want) == 0)
        return 0;
    snprintf(sql, sizeof(sql), "PRAGMA page_size = %.20s; VACUUM", want);
    return database_exec(upload, sql, e);
}

static int
prepare_upload(sqlite3 *upload, sqlite3 *live, struct err *e)
{
    struct buf needs_compare = BUF_INIT;
    struct schema *schema = NULL;
    uint8_t nonce[ID_SIZE];
    bool present = false;
    bool installed;
    int r = -1;

    if (database_exec(upload, "PRAGMA journal_mode = DELETE", e) != 0 ||
        check_sound(upload, e) != 0 || capture_remove(upload, e) != 0 ||
        state_remove(upload, e) != 0 || check_same_kind(upload, live, e) != 0 ||
        match_page_size(upload, live, e) != 0)
        goto out;
    if (schema_load(&schema, upload, e) != 0 ||
        capture_install(upload, schema, &installed, &needs_compare, e) != 0)
        goto out;
    if (capture_read_nonce(live, nonce, &present, e) != 0)
        goto out;
    if (present && capture_write_nonce(upload, nonce, e) != 0)
        goto out;
    r = 0;
out:
    schema_free(schema);
    buf_release(&needs_compare);
    return r;
}

int
snapshot_install(struct dataset *ds, const char *path, struct err *e)
{
    struct publish_result result;
    sqlite3 *upload = NULL;
    sqlite3 *live = NULL;
    int r = -1;

    if (ds->config.selection[0] != '\0') {
        err_set(e, ERR_UNSUPPORTED,
            "dataset \"%s\" is not replicated whole: an upload would replace "
            "what is protected or excluded too",
            ds->name);
        err_hint(e, "Change the rows in the live database instead.");
        goto out;
    }
    /* What is not published yet would be lost without a trace. */
    if (source_publish(ds->source, &result, e) != 0)
        goto out;
    if (database_open(&upload, path, OPEN_WRITE, WAIT_MS, e) != 0 ||
        database_open(&live, ds->live_path, OPEN_WRITE, WAIT_MS, e) != 0)
        goto out;
    if (prepare_upload(upload, live, e) != 0 ||
        database_copy(live, upload, e) != 0)
        goto out;
    r = source_publish(ds->source, &result, e);
out:
    database_close(upload);
    database_close(live);
    return r;
}

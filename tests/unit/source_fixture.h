/*
 * A live database and a source over it, in a folder of their own.  The checker
 * compares published copy and live file by a way of its own: typeof, quote and
 * rowid, table by table, in SQL.
 */
#ifndef TESTS_UNIT_SOURCE_FIXTURE_H
#define TESTS_UNIT_SOURCE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "sync/capture.h"
#include "sync/open.h"
#include "sync/source.h"
#include "sync/value.h"

struct fixture {
    char folder[64];
    char *live_path;
    char *work;
    char *published_path;
    sqlite3 *live; /* another program */
    struct source *source;
    struct dataset_config config;
    char notices[4096];
};

static const uint8_t writer_id[ID_SIZE] = { 9, 9, 9 };
static const uint8_t signer_seed[ED25519_SEED_SIZE] = { 1, 2, 3 };

static inline void
note_notice(void *ctx, const char *kind, const char *text)
{
    struct fixture *f = ctx;
    size_t used = strlen(f->notices);

    snprintf(f->notices + used, sizeof(f->notices) - used, "%s: %s\n", kind,
        text);
}

static inline int
sign_hash(void *ctx, const uint8_t hash[HASH_SIZE],
    uint8_t signature[ED25519_SIGNATURE_SIZE], struct err *e)
{
    (void)ctx;
    return ed25519_sign(signer_seed, hash, HASH_SIZE, signature, e);
}

static const struct bundle_signer signer = { sign_hash, NULL };

/* Runs a shell command that must succeed. */
static inline void
shell(const char *fmt, ...)
{
    char command[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(command, sizeof(command), fmt, ap);
    va_end(ap);
    if (system(command) != 0)
        fail_msg("%s failed", command);
}

static inline void
sql(sqlite3 *db, const char *text)
{
    char *message = NULL;

    if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", text, message);
}

static inline void
live_connect(struct fixture *f)
{
    assert_int_equal(sqlite3_open(f->live_path, &f->live), SQLITE_OK);
    sqlite3_busy_timeout(f->live, 2000);
    sql(f->live, "PRAGMA synchronous=OFF");
}

static inline void
live_disconnect(struct fixture *f)
{
    database_close(f->live);
    f->live = NULL;
}

/* A live database with that schema in that journal mode; no source yet. */
static inline void
fixture_init(struct fixture *f, const char *journal_mode, const char *schema)
{
    struct err e = ERR_INIT;
    char pragma[64];

    memset(f, 0, sizeof(*f));
    strcpy(f->folder, "/tmp/lockstep-source-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->live_path = file_join(f->folder, "live.db");
    f->work = file_join(f->folder, "work");
    assert_int_equal(file_make_folder(f->work, 0700, &e), 0);
    f->published_path = file_join(f->work, "published.db");
    live_connect(f);
    snprintf(pragma, sizeof(pragma), "PRAGMA journal_mode=%s", journal_mode);
    sql(f->live, pragma);
    sql(f->live, schema);
    f->config = (struct dataset_config){
        .name = "config",
        .live_path = f->live_path,
        .work_dir = f->work,
        .delete_guard_percent = 20,
        .notice = note_notice,
        .ctx = f,
    };
}

static inline void
source_start(struct fixture *f)
{
    struct err e = ERR_INIT;

    if (source_open(&f->source, &f->config, writer_id, &e) != 0)
        fail_msg("source_open: %s", e.message);
}

static inline void
source_stop(struct fixture *f)
{
    source_close(f->source);
    f->source = NULL;
}

static inline void
fixture_release(struct fixture *f)
{
    source_stop(f);
    live_disconnect(f);
    shell("rm -rf %s", f->folder);
    free(f->live_path);
    free(f->work);
    free(f->published_path);
}

static inline struct publish_result
publish(struct fixture *f)
{
    struct publish_result result;
    struct err e = ERR_INIT;

    if (source_publish(f->source, &result, &e) != 0)
        fail_msg("source_publish: %s", e.message);
    return result;
}

static inline void
trim(struct fixture *f)
{
    struct err e = ERR_INIT;

    if (source_trim(f->source, &e) != 0)
        fail_msg("source_trim: %s", e.message);
    if (source_write_back(f->source, &e) != 0)
        fail_msg("source_write_back: %s", e.message);
}

static inline void
expect_held(struct fixture *f, const char *reason)
{
    struct publish_result result;
    struct err e = ERR_INIT;
    struct dataset_state before, after;

    source_state(f->source, &before);
    assert_int_equal(source_publish(f->source, &result, &e), -1);
    if (e.code != ERR_HELD || strstr(e.message, reason) == NULL)
        fail_msg("not held for \"%s\": %s", reason, e.message);
    assert_non_null(source_held(f->source));
    source_state(f->source, &after);
    assert_int_equal(before.revision, after.revision);
}

/* Everything that must be equal, as one text; fresh string. */
static inline char *
dump(sqlite3 *db)
{
    struct buf out = BUF_INIT;
    sqlite3_stmt *tables, *rows;
    size_t len;

    assert_int_equal(
        sqlite3_prepare_v2(db,
            "SELECT name, (SELECT group_concat('typeof('||quote(name)||"
            "')||quote('||quote(name)||')','||'',''||') FROM"
            " (SELECT '\"'||replace(name,'\"','\"\"')||'\"' AS name"
            " FROM pragma_table_xinfo(l.name))), wr"
            " FROM pragma_table_list l WHERE schema='main' AND type='table'"
            " AND name NOT LIKE '\\_lockstep%' ESCAPE '\\'"
            " AND name<>'sqlite_schema' AND name<>'sqlite_stat4'"
            " ORDER BY name",
            -1, &tables, NULL),
        SQLITE_OK);
    while (sqlite3_step(tables) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(tables, 0);
        struct buf text = BUF_INIT;
        char *columns =
            (char *)alloc_string((const char *)sqlite3_column_text(tables, 1));

        /* quote() above wrapped the names in single quotes */
        for (char *p = columns; *p != '\0'; p++)
            if (*p == '\'' && (p[1] == '"' || (p > columns && p[-1] == '"')))
                *p = ' ';
        buf_printf(&text, "SELECT %s||%s FROM \"%s\" WHERE 1 ORDER BY 1",
            sqlite3_column_int(tables, 2) || strncmp(name, "sqlite_", 7) == 0
                ? "''"
                : "rowid",
            columns, name);
        if (strncmp(name, "sqlite_", 7) == 0)
            buf_printf(&text, " COLLATE BINARY");
        buf_put_u8(&text, 0);
        buf_printf(&out, "%s:\n", name);
        if (sqlite3_prepare_v2(db, (char *)text.data, -1, &rows, NULL) !=
            SQLITE_OK)
            fail_msg("%s: %s", (char *)text.data, sqlite3_errmsg(db));
        while (sqlite3_step(rows) == SQLITE_ROW)
            if (strstr((const char *)sqlite3_column_text(rows, 0),
                    "_lockstep") == NULL)
                buf_printf(&out, "%s\n",
                    (const char *)sqlite3_column_text(rows, 0));
        sqlite3_finalize(rows);
        buf_release(&text);
        free(columns);
    }
    sqlite3_finalize(tables);
    assert_int_equal(
        sqlite3_prepare_v2(db,
            "SELECT user_version||' '||application_id||' '||"
            "(SELECT coalesce(group_concat(sql,';'),'') FROM (SELECT sql FROM"
            " sqlite_schema WHERE name NOT LIKE '\\_lockstep%' ESCAPE '\\' AND"
            " name NOT LIKE 'sqlite%' ORDER BY type,name))"
            " FROM pragma_user_version, pragma_application_id",
            -1, &tables, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(tables), SQLITE_ROW);
    buf_printf(&out, "%s", (const char *)sqlite3_column_text(tables, 0));
    sqlite3_finalize(tables);
    return (char *)buf_steal(&out, &len);
}

/* The published copy as anybody would read it, against the live file; and its
 * digest against its rows. */
static inline void
expect_equal(struct fixture *f)
{
    sqlite3 *published;
    char *a, *b;
    bool equal;
    struct err e = ERR_INIT;

    assert_int_equal(sqlite3_open_v2(f->published_path, &published,
                         SQLITE_OPEN_READWRITE, NULL),
        SQLITE_OK);
    a = dump(f->live);
    b = dump(published);
    database_close(published);
    if (strcmp(a, b) != 0)
        fail_msg("live:\n%s\npublished:\n%s\n", a, b);
    free(a);
    free(b);
    assert_int_equal(source_verify(f->source, &equal, &e), 0);
    assert_true(equal);
}

#endif

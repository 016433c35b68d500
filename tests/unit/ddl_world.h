/*
 * A source, a replica and an application between them, for tests of schema
 * changes; and a checker that uses none of our code: the stored SQL texts and
 * every value of every table, by type and bytes.
 */
#ifndef TESTS_UNIT_DDL_WORLD_H
#define TESTS_UNIT_DDL_WORLD_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "sync/replica.h"
#include "sync/source.h"

static const uint8_t world_seed[ED25519_SEED_SIZE] = { 1, 9 };
static const uint8_t world_cluster[ID_SIZE] = { 5, 5 };
static const uint8_t world_writer[ID_SIZE] = { 7 };

struct world {
    char dir[64];
    char *live[2]; /* the source's, the replica's */
    char *work[2];
    enum capture_mode capture;
    struct source *source;
    struct replica *replica;
    sqlite3 *app; /* somebody's connection to the source's live file */
    size_t bytes; /* of the bundles of the last push */
    size_t bundles;
    char notices[2000]; /* of the source */
};

#define CHECK(call)                               \
    do {                                          \
        if ((call) != 0)                          \
            fail_msg("%s: %s", #call, e.message); \
    } while (0)

static inline int
world_sign(void *ctx, const uint8_t hash[HASH_SIZE],
    uint8_t signature[ED25519_SIGNATURE_SIZE], struct err *e)
{
    (void)ctx;
    return ed25519_sign(world_seed, hash, HASH_SIZE, signature, e);
}

static const struct bundle_signer world_signer = { world_sign, NULL };

static inline void
world_note(void *ctx, const char *kind, const char *text)
{
    struct world *w = ctx;
    size_t used = strlen(w->notices);

    snprintf(w->notices + used, sizeof(w->notices) - used, "%s: %s\n", kind,
        text);
}

static inline void
world_sql(struct world *w, const char *sql)
{
    if (sqlite3_exec(w->app, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(w->app));
}

static inline void
world_open_source(struct world *w)
{
    struct dataset_config config = {
        .name = "other",
        .live_path = w->live[0],
        .work_dir = w->work[0],
        .history_bytes = 64 << 20,
        .history_age_ms = (int64_t)1 << 40,
        .capture = w->capture,
        .notice = world_note,
        .ctx = w,
    };
    struct err e = ERR_INIT;

    source_close(w->source);
    CHECK(source_open(&w->source, &config, world_writer, &e));
}

static inline void
world_open_replica(struct world *w)
{
    struct dataset_config config = {
        .name = "other",
        .live_path = w->live[1],
        .work_dir = w->work[1],
        .drift_capture = w->capture,
    };
    struct err e = ERR_INIT;
    uint8_t key[ED25519_PUBLIC_SIZE];

    replica_close(w->replica);
    CHECK(replica_open(&w->replica, &config, &e));
    CHECK(ed25519_public(world_seed, key, &e));
    replica_trust(w->replica, world_cluster, 1, key);
}

static inline void
world_overwrite(struct world *w)
{
    struct image *image = NULL;
    struct overwrite_stream *stream = NULL;
    struct replica_status held;
    struct buf piece = BUF_INIT;
    bool last = false;
    struct err e = ERR_INIT;

    replica_status(w->replica, &held);
    CHECK(source_image_open(w->source, &image, &e));
    CHECK(overwrite_stream_open(image, "other", held.state.revision,
        &held.state.digest, &world_signer, &stream, &e));
    CHECK(replica_overwrite_begin(w->replica, &e));
    while (!last) {
        buf_clear(&piece);
        CHECK(overwrite_stream_next(stream, 32768, &piece, &last, &e));
        CHECK(replica_overwrite_write(w->replica, piece.data, piece.len, &e));
    }
    CHECK(replica_overwrite_finish(w->replica, &e));
    overwrite_stream_close(stream);
    buf_release(&piece);
}

/* An application's database, replicated. */
static inline void
world_init(struct world *w, enum capture_mode capture, const char *sql)
{
    static const char *const names[] = { "a", "b" };
    struct err e = ERR_INIT;

    memset(w, 0, sizeof(*w));
    w->capture = capture;
    strcpy(w->dir, "/tmp/ddl-test-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    for (int i = 0; i < 2; i++) {
        w->live[i] = alloc_format("%s/%s.db", w->dir, names[i]);
        w->work[i] = alloc_format("%s/%s", w->dir, names[i]);
        assert_int_equal(mkdir(w->work[i], 0700), 0);
    }
    assert_int_equal(sqlite3_open(w->live[0], &w->app), SQLITE_OK);
    world_sql(w, "PRAGMA page_size=4096; PRAGMA synchronous=OFF");
    world_sql(w, sql);
    world_open_source(w);
    CHECK(source_set_cluster(w->source, world_cluster, 1, &e));
    world_open_replica(w);
    world_overwrite(w);
    w->notices[0] = '\0';
}

static inline int
world_remove_entry(const char *path, const struct stat *st, int flag,
    struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline void
world_release(struct world *w)
{
    source_close(w->source);
    replica_close(w->replica);
    sqlite3_close(w->app);
    for (int i = 0; i < 2; i++) {
        free(w->live[i]);
        free(w->work[i]);
    }
    nftw(w->dir, world_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void
world_publish(struct world *w)
{
    struct publish_result result;
    struct err e = ERR_INIT;

    CHECK(source_publish(w->source, &result, &e));
}

/* Publishes, and sends bundles until the replica has it all. */
static inline int
world_try_push(struct world *w, struct err *e)
{
    struct publish_result result;
    struct replica_status held;
    struct buf bundle = BUF_INIT;
    int r = source_publish(w->source, &result, e);

    w->bytes = w->bundles = 0;
    replica_status(w->replica, &held);
    while (r == 0 && held.state.revision < result.state.revision) {
        buf_clear(&bundle);
        r = source_bundle(w->source, held.state.revision, &world_signer,
            &bundle, NULL, e);
        if (r == 0)
            r = replica_apply(w->replica, bundle.data, bundle.len, e);
        w->bytes += bundle.len;
        w->bundles++;
        replica_status(w->replica, &held);
    }
    if (r == 0)
        r = replica_heartbeat(w->replica, result.state.cluster,
            result.state.epoch, result.state.writer, result.state.revision,
            &result.state.digest, e);
    buf_release(&bundle);
    return r;
}

static inline void
world_push(struct world *w)
{
    struct err e = ERR_INIT;

    if (world_try_push(w, &e) != 0)
        fail_msg("%s\n%s", e.message, w->notices);
}

static inline void
world_dump_query(sqlite3 *db, const char *sql, struct buf *out)
{
    sqlite3_stmt *stmt;

    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        buf_printf(out, "%s\n", sqlite3_errmsg(db));
        return;
    }
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(stmt); i++) {
            int type = sqlite3_column_type(stmt, i);
            double real = sqlite3_column_double(stmt, i);
            bool is_real = type == SQLITE_FLOAT;
            const void *bytes =
                is_real ? (const void *)&real : sqlite3_column_blob(stmt, i);
            int len =
                is_real ? (int)sizeof(real) : sqlite3_column_bytes(stmt, i);

            buf_printf(out, "%d:%d:", type, len);
            buf_put(out, bytes, (size_t)len);
            buf_printf(out, "|");
        }
        buf_printf(out, "\n");
    }
    sqlite3_finalize(stmt);
}

static inline void
world_dump(const char *path, struct buf *out)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    world_dump_query(db,
        "SELECT type,name,tbl_name,sql FROM sqlite_schema WHERE name NOT LIKE"
        " '\\_lockstep%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'"
        " ORDER BY type,name",
        out);
    assert_int_equal(sqlite3_prepare_v2(db,
                         "SELECT name,wr FROM pragma_table_list WHERE"
                         " schema='main' AND type<>'view' AND name NOT LIKE"
                         " '\\_lockstep%' ESCAPE '\\' AND name NOT IN"
                         " ('sqlite_schema','sqlite_stat4') ORDER BY name",
                         -1, &stmt, NULL),
        SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        bool sqlites = strncmp(name, "sqlite_", 7) == 0;
        char *sql = sqlite3_mprintf("SELECT %s* FROM \"%w\" WHERE %s NOT LIKE"
                                    " '\\_lockstep%%' ESCAPE '\\' ORDER BY 1,2",
            sqlites || sqlite3_column_int(stmt, 1) ? "" : "rowid,", name,
            !sqlites                               ? "''"
            : strcmp(name, "sqlite_sequence") == 0 ? "name"
                                                   : "tbl");

        buf_printf(out, "%s:\n", name);
        world_dump_query(db, sql, out);
        sqlite3_free(sql);
    }
    sqlite3_finalize(stmt);
    world_dump_query(db, "PRAGMA user_version", out);
    world_dump_query(db, "PRAGMA integrity_check", out);
    sqlite3_close(db);
}

/* Both sides' digests are those of all rows, and the files are alike. */
static inline void
world_expect_same(struct world *w)
{
    struct buf a = BUF_INIT, b = BUF_INIT;
    struct err e = ERR_INIT;
    bool same;

    CHECK(source_verify(w->source, &same, &e));
    assert_true(same);
    CHECK(replica_scrub(w->replica, &e));

    world_dump(w->live[0], &a);
    world_dump(w->live[1], &b);
    same = a.len > 0 && a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
    if (!same)
        fail_msg("primary:\n%.*s\nsecondary:\n%.*s\n%s", (int)a.len,
            (char *)a.data, (int)b.len, (char *)b.data, w->notices);
    buf_release(&a);
    buf_release(&b);
}

#endif

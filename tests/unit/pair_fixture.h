/*
 * A real source and a real replica, and a checker of their rows that uses none
 * of our code.
 */
#ifndef TESTS_UNIT_PAIR_FIXTURE_H
#define TESTS_UNIT_PAIR_FIXTURE_H

#include "sync/source.h"

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

static const uint8_t seed[ED25519_SEED_SIZE] = { 1, 9 };
static const uint8_t cluster[ID_SIZE] = { 5, 5 };

#define CHECK(call)                               \
    do {                                          \
        if ((call) != 0)                          \
            fail_msg("%s: %s", #call, e.message); \
    } while (0)

struct world {
    char dir[64];
    char *live[2]; /* the source's, the replica's */
    char *work[2];
    struct source *source;
    struct replica *replica;
    const char *selection;     /* as of the next open_source */
    enum capture_mode capture; /* likewise */
    sqlite3 *app; /* somebody's connection to the source's live file */
    uint8_t writer[ID_SIZE];
    uint32_t random;
};

static inline int
sign_with_seed(void *ctx, const uint8_t hash[HASH_SIZE],
    uint8_t signature[ED25519_SIGNATURE_SIZE], struct err *e)
{
    (void)ctx;
    return ed25519_sign(seed, hash, HASH_SIZE, signature, e);
}

static const struct bundle_signer signer = { sign_with_seed, NULL };

static inline void
run_sql(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

static inline void
open_source(struct world *w)
{
    struct dataset_config config = {
        .name = "config",
        .live_path = w->live[0],
        .work_dir = w->work[0],
        .capture = w->capture,
        .selection = w->selection,
        .history_bytes = 64 << 20,
        .history_age_ms = (int64_t)1 << 40,
    };
    struct err e = ERR_INIT;

    source_close(w->source);
    w->writer[0]++;
    CHECK(source_open(&w->source, &config, w->writer, &e));
}

static inline void
open_replica(struct world *w)
{
    struct dataset_config config = {
        .name = "config",
        .live_path = w->live[1],
        .work_dir = w->work[1],
    };
    struct err e = ERR_INIT;
    uint8_t key[ED25519_PUBLIC_SIZE];

    replica_close(w->replica);
    CHECK(replica_open(&w->replica, &config, &e));
    CHECK(ed25519_public(seed, key, &e));
    replica_trust(w->replica, cluster, 1, key);
}

static inline void
overwrite(struct world *w)
{
    struct image *image = NULL;
    struct overwrite_stream *stream = NULL;
    struct replica_status held;
    struct buf piece = BUF_INIT;
    bool last = false;
    struct err e = ERR_INIT;

    replica_status(w->replica, &held);
    CHECK(source_image_open(w->source, &image, &e));
    CHECK(overwrite_stream_open(image, "config", held.state.revision,
        &held.state.digest, &signer, &stream, &e));
    CHECK(replica_overwrite_begin(w->replica, &e));
    for (unsigned n = 0; !last; n++) {
        buf_clear(&piece);
        /* Now for a slow link, now for a fast one. */
        overwrite_stream_hurry(stream, n % 80 < 40);
        CHECK(overwrite_stream_next(stream, 32768, &piece, &last, &e));
        CHECK(replica_overwrite_write(w->replica, piece.data, piece.len, &e));
    }
    CHECK(replica_overwrite_finish(w->replica, &e));
    overwrite_stream_close(stream);
    buf_release(&piece);
}

/* Publishes, and sends one bundle from where the replica is. */
static inline void
push(struct world *w)
{
    struct publish_result result;
    struct replica_status held;
    struct buf bundle = BUF_INIT;
    struct err e = ERR_INIT;

    CHECK(source_publish(w->source, &result, &e));
    replica_status(w->replica, &held);
    if (held.state.revision < result.state.revision) {
        CHECK(source_bundle(w->source, held.state.revision, &signer, &bundle,
            NULL, &e));
        CHECK(replica_apply(w->replica, bundle.data, bundle.len, &e));
    }
    CHECK(replica_heartbeat(w->replica, result.state.cluster,
        result.state.epoch, result.state.writer, result.state.revision,
        &result.state.digest, &e));
    buf_release(&bundle);
}

/* All of a database as text that tells types and bytes apart, one line a row.
 * Tables with a rowid show it. */
static inline void
dump_query(sqlite3 *db, const char *sql, struct buf *out)
{
    sqlite3_stmt *stmt;

    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return;
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(stmt); i++) {
            int type = sqlite3_column_type(stmt, i);
            double real = sqlite3_column_double(stmt, i);
            const uint8_t *bytes;
            int len;

            if (type == SQLITE_FLOAT) {
                bytes = (const uint8_t *)&real;
                len = sizeof(real);
            } else {
                bytes = sqlite3_column_blob(stmt, i);
                len = sqlite3_column_bytes(stmt, i);
            }
            buf_printf(out, "%d:%d:", type, len);
            buf_put(out, bytes, (size_t)len);
            buf_printf(out, "|");
        }
        buf_printf(out, "\n");
    }
    sqlite3_finalize(stmt);
}

static inline void
dump_table(sqlite3 *db, const char *name, struct buf *out)
{
    char *sql =
        sqlite3_mprintf("SELECT rowid,* FROM \"%w\" ORDER BY rowid", name);
    size_t before = out->len;

    buf_printf(out, "table %s\n", name);
    dump_query(db, sql, out);
    sqlite3_free(sql);
    if (out->len > before + strlen(name) + 7)
        return;
    sql = sqlite3_mprintf("SELECT * FROM \"%w\" ORDER BY 1,2", name);
    dump_query(db, sql, out);
    sqlite3_free(sql);
}

static inline void
dump_database(const char *path, struct buf *out)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                         "SELECT name FROM sqlite_schema WHERE type='table' AND"
                         " name NOT LIKE '%lockstep%' ORDER BY name",
                         -1, &stmt, NULL),
        SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW)
        if (strcmp((const char *)sqlite3_column_text(stmt, 0),
                "sqlite_sequence") != 0)
            dump_table(db, (const char *)sqlite3_column_text(stmt, 0), out);
    sqlite3_finalize(stmt);
    dump_query(db,
        "SELECT type,name,sql FROM sqlite_schema WHERE name NOT LIKE"
        " '%lockstep%' AND name NOT LIKE 'sqlite%' ORDER BY name",
        out);
    dump_query(db, "PRAGMA user_version", out);
    dump_query(db, "SELECT * FROM sqlite_sequence ORDER BY name", out);
    sqlite3_close(db);
}

/* The replica's rows are those of DUMP, which is released. */
static inline void
assert_replica_is(struct world *w, struct buf *dump)
{
    struct buf now = BUF_INIT;

    dump_database(w->live[1], &now);
    assert_int_equal(now.len, dump->len);
    assert_memory_equal(now.data, dump->data, dump->len);
    buf_release(&now);
    buf_release(dump);
}

static inline void
assert_same(struct world *w)
{
    struct buf wanted = BUF_INIT;

    dump_database(w->live[0], &wanted);
    assert_replica_is(w, &wanted);
}

static const char tables_sql[] =
    "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT UNIQUE COLLATE"
    " NOCASE, n NUMERIC, r REAL);"
    "CREATE TABLE plain(a, b);"
    "CREATE TABLE keys(k TEXT PRIMARY KEY COLLATE NOCASE, v) WITHOUT ROWID;"
    "CREATE TABLE any2(a, b, v, PRIMARY KEY(b, a)) WITHOUT ROWID;"
    "CREATE TABLE counted(id INTEGER PRIMARY KEY AUTOINCREMENT, v);"
    "CREATE TABLE child(id INTEGER PRIMARY KEY,"
    " user REFERENCES users(id) ON DELETE CASCADE);"
    "CREATE UNIQUE INDEX some ON plain(a) WHERE typeof(a)='integer';"
    "CREATE TRIGGER follow AFTER UPDATE ON users BEGIN"
    " INSERT INTO counted(v) VALUES(new.name); END;";

/* Statements with %d for small random numbers; those that break a constraint
 * simply fail. */
static const char *const statements[] = {
    "INSERT INTO users VALUES(%d,'u%d',%d,%d)",
    "INSERT OR REPLACE INTO users VALUES(%d,'U%d',%d.5,-0.0)",
    "UPDATE OR REPLACE users SET name='u%d', n=%d WHERE id=%d",
    "UPDATE OR IGNORE users SET id=id+%d WHERE id<%d",
    "UPDATE users SET n=n+%d, r=r*%d WHERE id%%3=0",
    "DELETE FROM users WHERE id=%d",
    "INSERT INTO users VALUES(%d,'u%d',1,1) ON CONFLICT(name) DO UPDATE"
    " SET n=n+1",
    "INSERT INTO plain VALUES(%d,%d),('%d',%d.0),(NULL,NULL)",
    "INSERT INTO plain VALUES(x'00%02d','a'||char(0)||'%d')",
    "UPDATE OR REPLACE plain SET a=a+%d WHERE b>%d",
    "UPDATE plain SET b=zeroblob(%d*100) WHERE rowid%%7=%d%%7",
    "DELETE FROM plain WHERE rowid%%5=%d%%5",
    "INSERT OR REPLACE INTO keys VALUES('k%d',%d)",
    "INSERT OR REPLACE INTO keys VALUES('K%d','x%d')",
    "UPDATE OR IGNORE keys SET k=upper(k) WHERE v>%d",
    "INSERT OR REPLACE INTO any2 VALUES(%d,'%d',1.0),(%d.0,x'31',1)",
    "UPDATE OR REPLACE any2 SET a=%d WHERE a=%d",
    "DELETE FROM any2 WHERE a<%d",
    "INSERT INTO counted(v) VALUES(%d)",
    "DELETE FROM counted WHERE id>%d*3",
    "UPDATE OR IGNORE counted SET id=id+%d WHERE id%%2=0",
    "INSERT INTO child VALUES(%d,%d)",
    "PRAGMA user_version=%d",
    "UPDATE sqlite_sequence SET seq=seq+%d",
};

static inline uint32_t
next_random(struct world *w, uint32_t below)
{
    w->random = w->random * 1664525 + 1013904223;
    return (w->random >> 8) % below;
}

static inline void
write_something(struct world *w)
{
    const char *form =
        statements[next_random(w, sizeof(statements) / sizeof(char *))];
    char sql[300];
    int n[4];

    for (int i = 0; i < 4; i++)
        n[i] = (int)next_random(w, 30);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(sql, sizeof(sql), form, n[0], n[1], n[2], n[3]);
#pragma GCC diagnostic pop
    sqlite3_exec(w->app, sql, NULL, NULL, NULL);
}

static inline int
setup(void **state)
{
    struct world *w = alloc_zeroed(1, sizeof(*w));
    struct err e = ERR_INIT;
    static const char *const names[] = { "a", "b" };

    strcpy(w->dir, "/tmp/pair-test-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    for (int i = 0; i < 2; i++) {
        w->live[i] = alloc_format("%s/%s.db", w->dir, names[i]);
        w->work[i] = alloc_format("%s/%s", w->dir, names[i]);
        assert_int_equal(mkdir(w->work[i], 0700), 0);
    }
    assert_int_equal(sqlite3_open(w->live[0], &w->app), SQLITE_OK);
    run_sql(w->app, "PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON;"
                    "PRAGMA synchronous=OFF;");
    run_sql(w->app, tables_sql);
    open_source(w);
    CHECK(source_set_cluster(w->source, cluster, 1, &e));
    open_replica(w);
    overwrite(w);
    *state = w;
    return 0;
}

static inline int
remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline int
teardown(void **state)
{
    struct world *w = *state;

    source_close(w->source);
    replica_close(w->replica);
    sqlite3_close(w->app);
    nftw(w->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    for (int i = 0; i < 2; i++) {
        free(w->live[i]);
        free(w->work[i]);
    }
    free(w);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif

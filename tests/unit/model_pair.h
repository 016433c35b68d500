/*
 * A model primary and a real replica in a temporary folder.
 */
#ifndef TESTS_UNIT_MODEL_PAIR_H
#define TESTS_UNIT_MODEL_PAIR_H

#include "tests/unit/model_primary.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sync/open.h"
#include "sync/replica.h"

struct pair {
    char dir[64];
    char *live;
    struct primary primary;
    struct replica *replica;
    enum capture_mode drift_capture; /* as of the next pair_reopen */
    struct buf bundle;               /* the last one made */
    unsigned notices;                /* told as events */
    char last_notice[512];
};

static inline int
remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline void
note_event(void *ctx, const char *kind, const char *text)
{
    struct pair *p = ctx;

    p->notices++;
    snprintf(p->last_notice, sizeof(p->last_notice), "%s: %s", kind, text);
}

static inline void
pair_reopen(struct pair *p)
{
    struct err e = ERR_INIT;
    struct dataset_config config = {
        .name = "config",
        .live_path = p->live,
        .work_dir = p->dir,
        .drift_capture = p->drift_capture,
        .notice = note_event,
        .ctx = p,
    };
    uint8_t key[ED25519_PUBLIC_SIZE];

    replica_close(p->replica);
    CHECK(replica_open(&p->replica, &config, &e));
    CHECK(ed25519_public(primary_seed, key, &e));
    replica_trust(p->replica, p->primary.state.cluster, 5, key);
}

/* A primary with those tables, and a replica without a database. */
static inline void
pair_init(struct pair *p, const char *sql)
{
    memset(p, 0, sizeof(*p));
    strcpy(p->dir, "/tmp/replica-test-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    p->live = file_join(p->dir, "live.db");
    primary_open(&p->primary, p->dir, sql);
    pair_reopen(p);
}

static inline void
pair_release(struct pair *p)
{
    replica_close(p->replica);
    primary_close(&p->primary);
    buf_release(&p->bundle);
    free(p->live);
    nftw(p->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Feeds P->bundle as an overwrite, in pieces of that size. */
static inline int
pair_feed_overwrite(struct pair *p, size_t piece, struct err *e)
{
    size_t done = 0;

    if (replica_overwrite_begin(p->replica, e) != 0)
        return -1;
    while (done < p->bundle.len) {
        size_t n = p->bundle.len - done < piece ? p->bundle.len - done : piece;

        if (replica_overwrite_write(p->replica, p->bundle.data + done, n, e) !=
            0) {
            replica_overwrite_abort(p->replica);
            return -1;
        }
        done += n;
    }
    return replica_overwrite_finish(p->replica, e);
}

static inline int
pair_try_overwrite(struct pair *p, struct err *e)
{
    buf_clear(&p->bundle);
    primary_overwrite(&p->primary,
        primary_header(&p->primary, BUNDLE_OVERWRITE), &p->bundle);
    return pair_feed_overwrite(p, 1000, e);
}

static inline void
pair_overwrite(struct pair *p)
{
    struct err e = ERR_INIT;

    CHECK(pair_try_overwrite(p, &e));
}

static inline int
pair_apply(struct pair *p, struct err *e)
{
    err_clear(e);
    return replica_apply(p->replica, p->bundle.data, p->bundle.len, e);
}

static inline int
pair_try_push(struct pair *p, struct err *e)
{
    buf_clear(&p->bundle);
    primary_push(&p->primary, &p->bundle);
    return pair_apply(p, e);
}

static inline void
pair_push(struct pair *p)
{
    struct err e = ERR_INIT;

    CHECK(pair_try_push(p, &e));
}

static inline int
pair_heartbeat(struct pair *p, struct err *e)
{
    const struct dataset_state *s = &p->primary.state;

    err_clear(e);
    return replica_heartbeat(p->replica, s->cluster, s->epoch, s->writer,
        s->revision, &s->digest, e);
}

/* Asks for the drifted keys and repairs them, as a primary does. */
static inline int
pair_repair(struct pair *p, struct err *e)
{
    struct buf keys = BUF_INIT;
    int r;

    if (replica_drift(p->replica, 1000, &keys, NULL, e) != 0)
        return -1;
    buf_clear(&p->bundle);
    primary_repair(&p->primary, &keys, &p->bundle);
    r = pair_apply(p, e);
    buf_release(&keys);
    return r;
}

/* What the live file sums to, by a connection of its own. */
static inline struct digest
pair_live_digest(struct pair *p)
{
    struct err e = ERR_INIT;
    sqlite3 *db = NULL;
    struct schema *s = NULL;
    struct digest d;
    uint64_t rows;

    CHECK(database_open(&db, p->live, OPEN_READ, 1000, &e));
    run_sql(db, "BEGIN");
    CHECK(schema_load(&s, db, &e));
    CHECK(digest_scan(db, s, &d, &rows, &e));
    schema_free(s);
    database_close(db);
    return d;
}

static inline void
assert_equal_rows(struct pair *p)
{
    struct digest live = pair_live_digest(p);
    struct replica_status status;

    assert_memory_equal(live.sum, p->primary.state.digest.sum, HASH_SIZE);
    replica_status(p->replica, &status);
    assert_int_equal(status.state.revision, p->primary.state.revision);
    assert_memory_equal(status.state.digest.sum, live.sum, HASH_SIZE);
    assert_false(status.drifted);
    assert_false(status.needs_overwrite);
}

static inline void
assert_in_sync(struct pair *p)
{
    struct err e = ERR_INIT;

    assert_equal_rows(p);
    CHECK(pair_heartbeat(p, &e));
}

#define assert_refused(call, wanted, e)                               \
    do {                                                              \
        assert_int_equal((call), -1);                                 \
        if ((e).code != (wanted))                                     \
            fail_msg("%s instead of %s: %s", err_code_name((e).code), \
                err_code_name(wanted), (e).message);                  \
    } while (0)

/* Somebody else on the same machine. */
static inline void
by_hand(struct pair *p, const char *sql)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(p->live, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 1000);
    run_sql(db, sql);
    database_close(db);
}

/* The live file in DELETE mode, where readers and writers exclude each
 * other. */
static inline void
pair_leave_wal(struct pair *p)
{
    replica_close(p->replica);
    p->replica = NULL;
    by_hand(p, "PRAGMA journal_mode=DELETE");
    pair_reopen(p);
}

#endif

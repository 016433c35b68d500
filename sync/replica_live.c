/*
 * The live connection of a replica: opened with triggers, foreign keys and
 * CHECK off, watched for the work of others, its transactions bounded in time.
 * What it means that somebody touched the file is for replica_examine.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sync/open.h"
#include "sync/replica_internal.h"

/* A longer WAL is checkpointed when it is idle, and one that pushes made so
 * long after a commit of ours: that makes the next of them wait. */
#define WAL_FRAMES_MAX 1000
#define WAL_FRAMES_PUSHED 4000
#define WAL_FRAMES_LARGE 20000

static void
note_missing(struct replica *r, const char *what)
{
    snprintf(r->reason, sizeof(r->reason), "%s", what);
    r->needs_overwrite = true;
}

static int
note_wal_frames(void *ctx, sqlite3 *db, const char *schema, int frames)
{
    struct replica *r = ctx;

    (void)db;
    (void)schema;
    r->wal_frames = frames;
    return SQLITE_OK;
}

static int
configure(struct replica *r, sqlite3 *db, struct err *e)
{
    /* We checkpoint by hand, so that a commit of ours leaves the main file
     * alone and stat() keeps its meaning. */
    if (database_suspend_rules(db, e) != 0 ||
        database_exec(db, "PRAGMA wal_autocheckpoint=0", e) != 0)
        return -1;
    r->wal_frames = r->wal_frames_installed = 0;
    sqlite3_wal_hook(db, note_wal_frames, r);
    return 0;
}

int
live_open(struct replica *r, struct err *e)
{
    if (access(r->live_path, F_OK) != 0 && errno == ENOENT) {
        note_missing(r, "the live database is missing");
        return 0;
    }
    if (database_open(&r->db, r->live_path, OPEN_WRITE, REPLICA_WAIT_MS, e) !=
            0 ||
        configure(r, r->db, e) != 0)
        goto fail;
    if (database_prepare(r->db, "BEGIN IMMEDIATE", &r->begin, e) != 0 ||
        database_prepare(r->db, "COMMIT", &r->commit, e) != 0)
        goto fail;
    r->suspect = true;
    r->fresh = true;
    return 0;
fail:
    live_close(r);
    if (e->code != ERR_CORRUPT)
        return -1;
    note_missing(r, "the live database is damaged");
    err_clear(e);
    return 0;
}

bool
live_moved(const struct replica *r)
{
    return database_has_moved(r->db) ||
           (r->shm_inode != 0 &&
               database_shm_inode(r->live_path) != r->shm_inode);
}

sqlite3 *
live_steal(struct replica *r)
{
    sqlite3 *db = r->db;

    row_tables_free(r->tables, r->table_count);
    r->tables = NULL;
    r->table_count = 0;
    schema_free(r->schema);
    r->schema = NULL;
    sqlite3_finalize(r->begin);
    sqlite3_finalize(r->commit);
    r->begin = r->commit = NULL;
    r->db = NULL;
    r->shm_inode = 0;
    return db;
}

void
live_close(struct replica *r)
{
    bool moved = r->db != NULL && live_moved(r);
    sqlite3 *db = live_steal(r);

    if (moved)
        database_abandon(db);
    else
        database_close(db);
}

void
replica_drop_moved(struct replica *replica)
{
    if (replica->db == NULL || !live_moved(replica))
        return;
    live_close(replica);
    replica->suspect = true;
}

int
live_read_state(struct replica *r, struct err *e)
{
    if (state_read(r->db, &r->state, e) == 0 && r->state.revision > 0)
        return 0;
    memset(&r->state, 0, sizeof(r->state));
    if (e->code == ERR_CORRUPT)
        note_missing(r, "the live database is damaged");
    else if (e->code == ERR_NONE || e->code == ERR_NOT_FOUND)
        note_missing(r, "the live database holds nothing that was pushed");
    else
        return -1;
    err_clear(e);
    return 0;
}

int
live_load_schema(struct replica *r, struct err *e)
{
    struct schema *schema = NULL;

    if (schema_load(&schema, r->db, e) != 0)
        return -1;
    row_tables_free(r->tables, r->table_count);
    schema_free(r->schema);
    r->schema = schema;
    r->tables = row_tables_new(schema);
    r->table_count = schema->table_count;
    database_allow_shadows(r->db, schema->has_shadows);
    return 0;
}

void
live_note_stat(struct replica *r)
{
    if (stat(r->live_path, &r->seen) != 0)
        memset(&r->seen, 0, sizeof(r->seen));
    if (r->shm_inode == 0)
        r->shm_inode = database_shm_inode(r->live_path);
}

static bool
stat_is_as_seen(const struct replica *r)
{
    struct stat now;

    if (stat(r->live_path, &now) != 0)
        return false;
    return now.st_dev == r->seen.st_dev && now.st_ino == r->seen.st_ino &&
           now.st_size == r->seen.st_size &&
           now.st_mtim.tv_sec == r->seen.st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == r->seen.st_mtim.tv_nsec &&
           now.st_ctim.tv_sec == r->seen.st_ctim.tv_sec &&
           now.st_ctim.tv_nsec == r->seen.st_ctim.tv_nsec;
}

int
live_touched(struct replica *r, bool *touched, struct err *e)
{
    uint32_t data_version, cookie;

    *touched = true;
    if (r->db == NULL || r->suspect || live_moved(r) || !stat_is_as_seen(r))
        return 0;
    if (database_data_version(r->db, &data_version, e) != 0 ||
        database_schema_cookie(r->db, &cookie, e) != 0)
        return -1;
    *touched = data_version != r->data_version || cookie != r->cookie;
    return 0;
}

int
live_begin(struct replica *r, struct err *e)
{
    int rc = sqlite3_step(r->begin);

    sqlite3_reset(r->begin);
    if (rc != SQLITE_DONE)
        return database_error(r->db, e, "could not begin a transaction");
    return 0;
}

int
live_commit(struct replica *r, struct err *e)
{
    int rc = sqlite3_step(r->commit);

    if (rc == SQLITE_DONE) {
        sqlite3_reset(r->commit);
        return 0;
    }
    database_error(r->db, e, "could not commit");
    sqlite3_reset(r->commit);
    /* A failed COMMIT keeps a lock that shuts every new reader out. */
    database_rollback(r->db);
    return -1;
}

bool
replica_wants_checkpoint(const struct replica *r)
{
    return r->db != NULL && r->wal_frames >= WAL_FRAMES_PUSHED;
}

void
replica_checkpoint(struct replica *r)
{
    if (replica_wants_checkpoint(r))
        live_checkpoint(r, false);
}

void
live_checkpoint(struct replica *r, bool idle)
{
    struct err e = ERR_INIT;
    bool complete;
    /* What an overwrite leaves is long; a push does not wait for that. */
    bool large = r->wal_frames > WAL_FRAMES_LARGE;

    if (r->wal_frames < WAL_FRAMES_MAX ||
        (large && !idle &&
            r->wal_frames < r->wal_frames_installed + WAL_FRAMES_LARGE))
        return;
    database_checkpoint(r->db,
        large ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE,
        &complete, &e);
    /* Tried again after the next commit. */
    r->wal_frames = 0;
    r->wal_frames_installed = 0;
    live_note_stat(r);
}

int
live_copy(struct replica *r, const char *path, struct err *e)
{
    struct err ignored = ERR_INIT;
    bool complete;

    /* Written back, the log need not be merged page by page.  Who touched the
     * file since the last look shall still be found out. */
    if (stat_is_as_seen(r)) {
        database_checkpoint(r->db, SQLITE_CHECKPOINT_PASSIVE, &complete,
            &ignored);
        live_note_stat(r);
    }
    return snapshot_take(r->db, path, e);
}

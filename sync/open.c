/*
 * Opening databases with the settings that Lockstep relies on, and the small
 * questions that every user of a connection asks.
 */
#include "sync/open.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/stop.h"
#include "sync/interrupt.h"
#include "sync/log_vfs.h"

#define BUSY_STEP_US 500
/* How often a statement asks whether to go on, in steps of SQLite's machine: a
 * few hundred rows, well under a millisecond. */
#define STOP_STEPS 10000
/* A longer log is left to the next start when there is no time. */
#define STOP_LOG_MAX (8 * 1024 * 1024)

/* The deadline travels as the handler's context, so a connection needs no
 * memory of ours.  A connection waits for one lock at a time, in one thread. */
static _Thread_local int64_t wait_began_us;

static int
busy_step(void *ctx, int count)
{
    int64_t wait_us = (int64_t)(intptr_t)ctx * 1000;
    int64_t slept_us = (int64_t)count * BUSY_STEP_US;
    int64_t passed_us;

    if (count == 0)
        wait_began_us = clock_mono_us();
    if (stop_is_requested())
        return 0;
    passed_us = clock_mono_us() - wait_began_us;
    /* Counting the steps too ends the wait while a test has frozen time. */
    if (passed_us >= wait_us || slept_us >= wait_us)
        return 0;
    usleep(BUSY_STEP_US);
    return 1;
}

/* Reading ends at once; a transaction that writes may end by itself. */
static int
stop_step(void *ctx)
{
    if (!stop_is_requested())
        return 0;
    return stop_is_overdue() ||
           sqlite3_txn_state(ctx, NULL) != SQLITE_TXN_WRITE;
}

void
database_abandon(sqlite3 *db)
{
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    database_close(db);
}

static ino_t
inode_beside(const char *path, const char *suffix)
{
    char *name = alloc_format("%s%s", path, suffix);
    struct stat st;
    ino_t inode = stat(name, &st) == 0 ? st.st_ino : 0;

    free(name);
    return inode;
}

ino_t
database_shm_inode(const char *path)
{
    return inode_beside(path, "-shm");
}

ino_t
database_log_inode(const char *path)
{
    return inode_beside(path, "-wal");
}

void
database_set_wait(sqlite3 *db, int wait_ms)
{
    sqlite3_busy_handler(db, busy_step, (void *)(intptr_t)wait_ms);
}

/* Which error code a primary result code becomes; INTERNAL otherwise. */
static const struct {
    int result;
    enum err_code code;
} result_codes[] = {
    { SQLITE_BUSY, ERR_BUSY },
    { SQLITE_LOCKED, ERR_BUSY },
    { SQLITE_INTERRUPT, ERR_CANCELLED },
    { SQLITE_FULL, ERR_NO_SPACE },
    { SQLITE_CORRUPT, ERR_CORRUPT },
    { SQLITE_NOTADB, ERR_CORRUPT },
    { SQLITE_IOERR, ERR_IO },
    { SQLITE_CANTOPEN, ERR_IO },
    { SQLITE_READONLY, ERR_IO },
    { SQLITE_PERM, ERR_PERMISSION },
    { SQLITE_AUTH, ERR_PERMISSION },
    { SQLITE_TOOBIG, ERR_INVALID },
    { SQLITE_CONSTRAINT, ERR_INVALID },
};

static enum err_code
code_of_result(int result)
{
    for (size_t i = 0; i < sizeof(result_codes) / sizeof(result_codes[0]); i++)
        if (result_codes[i].result == (result & 0xff))
            return result_codes[i].code;
    return ERR_INTERNAL;
}

int
database_error(sqlite3 *db, struct err *e, const char *doing)
{
    return err_set(e, code_of_result(sqlite3_extended_errcode(db)), "%s: %s",
        doing, sqlite3_errmsg(db));
}

/* What every transaction says, compiled once per connection. */
static const char *const kept_statements[] = {
    KEPT "BEGIN",
    KEPT "BEGIN IMMEDIATE",
    KEPT "COMMIT",
    KEPT "ROLLBACK",
};

/* SQL as it is kept, or NULL. */
static const char *
find_kept(const char *sql)
{
    for (size_t i = 0; i < sizeof(kept_statements) / sizeof(*kept_statements);
         i++)
        if (strcmp(kept_statements[i] + sizeof(KEPT) - 1, sql) == 0)
            return kept_statements[i];
    return NULL;
}

static int
exec_kept(sqlite3 *db, const char *sql, struct err *e)
{
    sqlite3_stmt *stmt;
    int r = 0;

    if (database_take(db, sql, &stmt, e) != 0)
        return -1;
    if (sqlite3_step(stmt) != SQLITE_DONE)
        r = database_error(db, e, "could not execute SQL");
    database_give(stmt);
    return r;
}

int
database_exec(sqlite3 *db, const char *sql, struct err *e)
{
    const char *kept = find_kept(sql);

    if (kept != NULL)
        return exec_kept(db, kept, e);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return database_error(db, e, "could not execute SQL");
    return 0;
}

int
database_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **stmt,
    struct err *e)
{
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt,
            NULL) != SQLITE_OK)
        return database_error(db, e, "could not prepare SQL");
    return 0;
}

int
database_take(sqlite3 *db, const char *sql, sqlite3_stmt **stmt, struct err *e)
{
    sqlite3_stmt *s = NULL;

    while ((s = sqlite3_next_stmt(db, s)) != NULL) {
        const char *text = sqlite3_sql(s);

        if (text != NULL && strcmp(text, sql) == 0 && !sqlite3_stmt_busy(s)) {
            *stmt = s;
            return 0;
        }
    }
    return database_prepare(db, sql, stmt, e);
}

void
database_give(sqlite3_stmt *stmt)
{
    if (stmt == NULL)
        return;
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
}

int
database_suspend_rules(sqlite3 *db, struct err *e)
{
    if (sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL) !=
        SQLITE_OK)
        return database_error(db, e, "could not switch triggers off");
    return database_exec(db,
        "PRAGMA foreign_keys=OFF;PRAGMA ignore_check_constraints=ON", e);
}

void
database_allow_shadows(sqlite3 *db, bool allow)
{
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, (int)!allow, NULL);
}

void
database_make_room(sqlite3 *db, bool room)
{
    struct err ignored = ERR_INIT;
    sqlite3_stmt *stmt;

    /* The second is SQLite's own measure. */
    if (db == NULL || database_take(db,
                          room ? KEPT "PRAGMA main.cache_size=-16384"
                               : KEPT "PRAGMA main.cache_size=-2000",
                          &stmt, &ignored) != 0)
        return;
    sqlite3_step(stmt);
    database_give(stmt);
}

void
database_drop_pages(sqlite3 *db)
{
    if (db != NULL)
        sqlite3_db_release_memory(db);
}

void
database_rollback(sqlite3 *db)
{
    struct err ignored = ERR_INIT;

    if (db != NULL && sqlite3_get_autocommit(db) == 0)
        database_exec(db, "ROLLBACK", &ignored);
}

static int
configure(sqlite3 *db, enum open_mode mode, int wait_ms, struct err *e)
{
    sqlite3_extended_result_codes(db, 1);
    database_set_wait(db, wait_ms);
    sqlite3_progress_handler(db, STOP_STEPS, stop_step, db);
    if (sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) !=
            SQLITE_OK ||
        sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL) !=
            SQLITE_OK ||
        sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL) !=
            SQLITE_OK)
        return database_error(db, e, "could not configure the connection");
    if (mode == OPEN_READ)
        return 0;
    /* A transaction of some thousand rows stays in memory until its commit;
     * pages that spill before are written, and read, twice. */
    if (database_exec(db, "PRAGMA synchronous=FULL;PRAGMA cache_spill=-16384",
            e) != 0)
        return -1;
    if (mode == OPEN_CREATE)
        return database_exec(db, "PRAGMA journal_mode=WAL", e);
    return 0;
}

int
database_open(sqlite3 **db, const char *path, enum open_mode mode, int wait_ms,
    struct err *e)
{
    static const int flags[] = {
        [OPEN_READ] = SQLITE_OPEN_READONLY,
        [OPEN_WRITE] = SQLITE_OPEN_READWRITE,
        [OPEN_CREATE] = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
    };
    int rc;

    *db = NULL;
    rc = sqlite3_open_v2(path, db, flags[mode] | SQLITE_OPEN_NOMUTEX,
        log_vfs_name());
    if (rc != SQLITE_OK) {
        err_set(e, code_of_result(rc), "could not open \"%s\": %s", path,
            *db != NULL ? sqlite3_errmsg(*db) : sqlite3_errstr(rc));
        goto fail;
    }
    if (configure(*db, mode, wait_ms, e) != 0) {
        err_wrap(e, "could not open \"%s\"", path);
        goto fail;
    }
    return 0;
fail:
    database_close(*db);
    *db = NULL;
    return -1;
}

static bool
log_is_long(sqlite3 *db)
{
    const char *name = sqlite3_db_filename(db, "main");
    struct stat st;

    return name != NULL && name[0] != '\0' &&
           stat(sqlite3_filename_wal(name), &st) == 0 &&
           st.st_size > STOP_LOG_MAX;
}

void
database_close(sqlite3 *db)
{
    sqlite3_stmt *s, *next;

    if (db != NULL && stop_is_requested() && log_is_long(db))
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    for (s = db != NULL ? sqlite3_next_stmt(db, NULL) : NULL; s != NULL;
         s = next) {
        const char *text = sqlite3_sql(s);

        next = sqlite3_next_stmt(db, s);
        if (text != NULL && strncmp(text, KEPT, sizeof(KEPT) - 1) == 0)
            sqlite3_finalize(s);
    }
    sqlite3_close_v2(db);
}

static int
read_pragma(sqlite3 *db, const char *sql, uint32_t *value, struct err *e)
{
    sqlite3_stmt *stmt;
    int r = -1;

    if (database_take(db, sql, &stmt, e) != 0)
        return -1;
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        *value = (uint32_t)sqlite3_column_int64(stmt, 0);
        r = 0;
    } else {
        database_error(db, e, "could not read a pragma");
    }
    database_give(stmt);
    return r;
}

int
database_data_version(sqlite3 *db, uint32_t *version, struct err *e)
{
    return read_pragma(db, KEPT "PRAGMA data_version", version, e);
}

int
database_schema_cookie(sqlite3 *db, uint32_t *cookie, struct err *e)
{
    return read_pragma(db, KEPT "PRAGMA schema_version", cookie, e);
}

bool
database_has_moved(sqlite3 *db)
{
    int moved = 0;

    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) !=
        SQLITE_OK)
        return true;
    return moved != 0;
}

int
database_checkpoint(sqlite3 *db, int mode, bool *complete, struct err *e)
{
    int frames = -1, done = -1;
    struct interruptible call;
    int rc;

    interruptible_begin(&call, db);
    rc = sqlite3_wal_checkpoint_v2(db, "main", mode, &frames, &done);
    interruptible_end(&call);
    *complete = rc == SQLITE_OK && frames == done;
    if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY)
        return database_error(db, e, "could not checkpoint");
    return 0;
}

/*
 * Restoring a backup while no daemon runs: everything is written beside the
 * state directory and checked, then takes its place by one rename.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "daemon/backup.h"
#include "sync/open.h"

/* "a/b", of letters, digits, "-", "_" and "."; no part begins with ".". */
static bool
name_is_safe(const char *name)
{
    const char *p;

    if (name == NULL || name[0] == '/' || strlen(name) > 200)
        return false;
    for (p = name; *p != '\0'; p++) {
        bool first = p == name || p[-1] == '/';

        if (first && (*p == '.' || *p == '/'))
            return false;
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                (*p >= '0' && *p <= '9') || strchr("-_./", *p) != NULL))
            return false;
    }
    return p > name && p[-1] != '/';
}

static int
check_format(sqlite3 *db, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    bool ok = false;

    if (sqlite3_prepare_v2(db,
            "SELECT value FROM lockstep_backup WHERE name = 'format'", -1,
            &stmt, NULL) == SQLITE_OK)
        ok = sqlite3_step(stmt) == SQLITE_ROW &&
             sqlite3_column_int(stmt, 0) == 1;
    sqlite3_finalize(stmt);
    return ok ? 0
              : err_set(e, ERR_INVALID,
                    "the file is not a backup that this version can read");
}

static int
write_parts(sqlite3 *db, const char *name, int fd, struct hasher *hasher,
    struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int r = -1;
    int rc;

    if (database_prepare(db,
            "SELECT content FROM parts WHERE name = ?1 ORDER BY part", &stmt,
            e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const void *content = sqlite3_column_blob(stmt, 0);
        size_t len = (size_t)sqlite3_column_bytes(stmt, 0);

        hasher_update(hasher, content, len);
        if (file_write_all(fd, content, len, e) != 0)
            goto out;
    }
    if (rc != SQLITE_DONE) {
        database_error(db, e, "could not read the backup");
        goto out;
    }
    r = 0;
out:
    sqlite3_finalize(stmt);
    return r;
}

static int
make_parent(const char *path, struct err *e)
{
    char *parent = alloc_string(path);
    int r;

    *strrchr(parent, '/') = '\0';
    r = file_make_folder(parent, 0700, e);
    free(parent);
    return r;
}

static int
restore_file(sqlite3 *db, const char *dir, const char *name,
    const uint8_t expected[HASH_SIZE], struct err *e)
{
    struct hasher *hasher = hasher_new();
    char *path = file_join(dir, name);
    uint8_t hash[HASH_SIZE];
    int r = -1;
    int fd = -1;

    if (make_parent(path, e) != 0)
        goto out;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd == -1) {
        err_set_errno(e, ERR_IO, errno, "could not create \"%s\"", path);
        goto out;
    }
    if (write_parts(db, name, fd, hasher, e) != 0)
        goto out;
    hasher_finish(hasher, hash);
    if (memcmp(hash, expected, HASH_SIZE) != 0) {
        err_set(e, ERR_CORRUPT, "\"%s\" is damaged in the backup", name);
        goto out;
    }
    if (fsync(fd) != 0) {
        err_set_errno(e, ERR_IO, errno, "could not write \"%s\"", path);
        goto out;
    }
    r = file_sync_folder(dir, e);
out:
    if (fd != -1)
        close(fd);
    hasher_free(hasher);
    free(path);
    return r;
}

static int
restore_files(sqlite3 *db, const char *dir, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int count = 0;
    int r = -1;
    int rc;

    if (database_prepare(db, "SELECT name, sha256 FROM files ORDER BY name",
            &stmt, e) != 0)
        return -1;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);

        if (!name_is_safe(name) || sqlite3_column_bytes(stmt, 1) != HASH_SIZE) {
            err_set(e, ERR_CORRUPT, "the backup lists a bad file");
            goto out;
        }
        if (restore_file(db, dir, name, sqlite3_column_blob(stmt, 1), e) != 0)
            goto out;
        count++;
    }
    if (rc != SQLITE_DONE || count == 0) {
        err_set(e, ERR_CORRUPT, "the backup cannot be read to its end");
        goto out;
    }
    r = 0;
out:
    sqlite3_finalize(stmt);
    return r;
}

/* Whether there is anything in the folder but a lock. */
static bool
is_empty(const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *entry;
    bool empty = true;

    if (d == NULL)
        return true;
    while ((entry = readdir(d)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 &&
            strcmp(entry->d_name, "..") != 0 &&
            strcmp(entry->d_name, "lock") != 0)
            empty = false;
    }
    closedir(d);
    return empty;
}

static int
move_aside(const char *dir, bool force, struct err *e)
{
    char stamp[CLOCK_TEXT_SIZE];
    char *aside;
    int r;

    if (is_empty(dir)) {
        (void)file_remove_tree(dir);
        return 0;
    }
    if (!force) {
        err_set(e, ERR_EXISTS, "\"%s\" is not empty", dir);
        err_hint(e, "Give an empty --state-dir, or --force, which moves what "
                    "is there aside.");
        return -1;
    }
    clock_format(clock_utc_ms(), stamp);
    aside = alloc_format("%s.before-restore-%.19s", dir, stamp);
    r = file_rename(dir, aside, e);
    free(aside);
    return r;
}

/* Puts NEW in the place of DIR, in which no daemon may run. */
static int
take_place(const char *new, const char *dir, bool force, struct err *e)
{
    char *lock = file_join(dir, "lock");
    int fd = -1;
    int r = -1;

    if (file_exists(dir)) {
        if (file_lock(lock, &fd, e) != 0) {
            if (e->code == ERR_BUSY)
                err_set(e, ERR_BUSY, "a lockstepd runs in \"%s\"", dir);
            goto out;
        }
        if (move_aside(dir, force, e) != 0)
            goto out;
    }
    r = file_rename(new, dir, e);
out:
    if (fd != -1)
        close(fd);
    free(lock);
    return r;
}

int
backup_restore(const char *path, const char *state_dir, bool force,
    struct err *e)
{
    char *new = alloc_format("%s.restoring", state_dir);
    sqlite3 *db = NULL;
    int r = -1;

    if (database_open(&db, path, OPEN_READ, 1000, e) != 0 ||
        check_format(db, e) != 0) {
        err_wrap(e, "\"%s\"", path);
        goto out;
    }
    /* Asked before the work, and again by the step that matters. */
    if (!force && !is_empty(state_dir)) {
        err_set(e, ERR_EXISTS, "\"%s\" is not empty", state_dir);
        err_hint(e, "Give an empty --state-dir, or --force, which moves what "
                    "is there aside.");
        goto out;
    }
    (void)file_remove_tree(new); /* of an earlier try */
    if (file_make_folder(new, 0700, e) != 0)
        goto out;
    if (restore_files(db, new, e) != 0 ||
        take_place(new, state_dir, force, e) != 0) {
        (void)file_remove_tree(new);
        goto out;
    }
    r = 0;
out:
    database_close(db);
    free(new);
    return r;
}

/*
 * The backup as a file: an SQLite database made beside its place, then renamed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/stop.h"
#include "base/version.h"
#include "daemon/backup.h"
#include "sync/open.h"

static const char schema_sql[] =
    "PRAGMA journal_mode = DELETE;"
    "BEGIN;"
    "CREATE TABLE lockstep_backup (name TEXT PRIMARY KEY NOT NULL, value);"
    "CREATE TABLE files (name TEXT PRIMARY KEY NOT NULL,"
    "  size INTEGER NOT NULL, sha256 BLOB NOT NULL);"
    "CREATE TABLE parts (name TEXT NOT NULL, part INTEGER NOT NULL,"
    "  content BLOB NOT NULL, PRIMARY KEY (name, part));"
    "INSERT INTO lockstep_backup VALUES ('format', 1);";

static int
run(sqlite3 *db, sqlite3_stmt *stmt, struct err *e)
{
    int r = 0;

    if (sqlite3_step(stmt) != SQLITE_DONE)
        r = database_error(db, e, "could not write the backup");
    sqlite3_reset(stmt);
    return r;
}

static int
put_about(sqlite3 *db, const char *name, const char *value, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int r;

    if (database_prepare(db, "INSERT INTO lockstep_backup VALUES (?1, ?2)",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, value, -1, SQLITE_STATIC);
    r = run(db, stmt, e);
    sqlite3_finalize(stmt);
    return r;
}

/* Reads as much as there is, up to SIZE. */
static ssize_t
read_part(int fd, uint8_t *part, size_t size)
{
    size_t len = 0;

    while (len < size) {
        ssize_t n = read(fd, part + len, size - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

static int
put_parts(sqlite3 *db, int fd, const char *name, struct hasher *hasher,
    int64_t *size, struct err *e)
{
    uint8_t *part = alloc_bytes(BACKUP_PART);
    sqlite3_stmt *stmt = NULL;
    int64_t number = 0;
    int r = -1;

    *size = 0;
    if (database_prepare(db, "INSERT INTO parts VALUES (?1, ?2, ?3)", &stmt,
            e) != 0)
        goto out;
    for (;;) {
        ssize_t n = read_part(fd, part, BACKUP_PART);

        if (n < 0) {
            err_set_errno(e, ERR_IO, errno, "could not read \"%s\"", name);
            goto out;
        }
        if (n == 0)
            break;
        if (stop_check(e) != 0)
            goto out;
        hasher_update(hasher, part, (size_t)n);
        sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
        sqlite3_bind_int64(stmt, 2, number++);
        sqlite3_bind_blob64(stmt, 3, part, (uint64_t)n, SQLITE_STATIC);
        if (run(db, stmt, e) != 0)
            goto out;
        *size += n;
    }
    r = 0;
out:
    sqlite3_finalize(stmt);
    explicit_bzero(part, BACKUP_PART);
    free(part);
    return r;
}

static int
put_file(sqlite3 *db, const struct backup_source *source, struct err *e)
{
    char *path = file_join(source->dir, source->name);
    struct hasher *hasher = hasher_new();
    sqlite3_stmt *stmt = NULL;
    uint8_t hash[HASH_SIZE];
    int64_t size;
    int r = -1;
    int fd;

    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1) {
        if (errno == ENOENT)
            r = 0;
        else
            err_set_errno(e, ERR_IO, errno, "could not read \"%s\"", path);
        goto out;
    }
    if (put_parts(db, fd, source->name, hasher, &size, e) != 0)
        goto out;
    hasher_finish(hasher, hash);
    if (database_prepare(db, "INSERT INTO files VALUES (?1, ?2, ?3)", &stmt,
            e) != 0)
        goto out;
    sqlite3_bind_text(stmt, 1, source->name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, size);
    sqlite3_bind_blob(stmt, 3, hash, HASH_SIZE, SQLITE_STATIC);
    r = run(db, stmt, e);
out:
    sqlite3_finalize(stmt);
    hasher_free(hasher);
    if (fd != -1)
        close(fd);
    free(path);
    return r;
}

static int
fill(sqlite3 *db, const char *node_name, const struct backup_source *sources,
    size_t count, struct err *e)
{
    char stamp[CLOCK_TEXT_SIZE];
    size_t i;

    clock_format(clock_utc_ms(), stamp);
    if (database_exec(db, schema_sql, e) != 0 ||
        put_about(db, "version", LOCKSTEP_VERSION, e) != 0 ||
        put_about(db, "node", node_name, e) != 0 ||
        put_about(db, "time", stamp, e) != 0)
        return -1;
    for (i = 0; i < count; i++) {
        if (put_file(db, &sources[i], e) != 0)
            return -1;
    }
    return database_exec(db, "COMMIT", e);
}

int
backup_pack(const char *path, const char *node_name,
    const struct backup_source *sources, size_t count, uint64_t *bytes,
    struct err *e)
{
    char *part = alloc_format("%s.part", path);
    sqlite3 *db = NULL;
    struct stat st;
    int r = -1;
    int fd;

    *bytes = 0;
    /* Ours alone, and not there before: secrets go into it. */
    fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd == -1) {
        err_set_errno(e, ERR_IO, errno, "could not create \"%s\"", part);
        goto out;
    }
    close(fd);
    if (database_open(&db, part, OPEN_WRITE, 1000, e) != 0 ||
        fill(db, node_name, sources, count, e) != 0)
        goto out_remove;
    database_close(db);
    db = NULL;
    if (link(part, path) != 0) {
        err_set_errno(e, errno == EEXIST ? ERR_EXISTS : ERR_IO, errno,
            "could not create \"%s\"", path);
        goto out_remove;
    }
    if (stat(path, &st) == 0)
        *bytes = (uint64_t)st.st_size;
    r = 0;
out_remove:
    database_close(db);
    /* Syncs the folder too, and with it the new name. */
    if (file_remove(part, e) != 0)
        r = -1;
out:
    free(part);
    return r;
}

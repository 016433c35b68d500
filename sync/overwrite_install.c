/*
 * The change of content: the old kept in backups/, the new put in its place.
 * A live file that opens is written through SQLite, so that programs that have
 * it open see old or new and never break; one that is missing or no database
 * at all is replaced by rename.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/stop.h"
#include "sync/copy.h"
#include "sync/open.h"
#include "sync/overwrite.h"

#define BACKUPS_KEPT 3
#define COPY_SIZE ((size_t)1 << 20)

static const char *const companions[] = { "-wal", "-shm", "-journal" };

#define COMPANIONS (sizeof(companions) / sizeof(companions[0]))

static int
is_backup(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return entry->d_name[0] != '.' && len > 3 &&
           strcmp(entry->d_name + len - 3, ".db") == 0;
}

static void
remove_backup(const char *path)
{
    unlink(path);
    for (size_t n = 0; n < COMPANIONS; n++) {
        char *other = alloc_format("%s%s", path, companions[n]);

        unlink(other);
        free(other);
    }
}

/* Names begin with the time, so the oldest sort first. */
static void
remove_old_backups(const char *folder)
{
    struct dirent **names = NULL;
    int count = scandir(folder, &names, is_backup, alphasort);

    for (int i = 0; i < count; i++) {
        if (i < count - BACKUPS_KEPT) {
            char *path = file_join(folder, names[i]->d_name);

            remove_backup(path);
            free(path);
        }
        free(names[i]);
    }
    free(names);
}

static int
copy_bytes(int from, int to, const char *path, struct err *e)
{
    uint8_t *data = alloc_bytes(COPY_SIZE);
    ssize_t n;
    int r;

    while ((r = stop_check(e)) == 0 && (n = read(from, data, COPY_SIZE)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        r = n < 0
                ? err_set_errno(e, ERR_IO, errno, "could not read \"%s\"", path)
                : file_write_all(to, data, (size_t)n, e);
        if (r != 0)
            break;
    }
    if (r == 0 && fsync(to) != 0)
        r = err_set_errno(e, ERR_IO, errno, "could not sync a backup");
    free(data);
    return r;
}

/* Byte by byte; only for a file that SQLite cannot open, so that no lock can
 * be lost by closing it. */
static int
copy_file(const char *from_path, const char *to_path, struct err *e)
{
    int from = open(from_path, O_RDONLY | O_CLOEXEC);
    int to = -1;
    int r = -1;

    if (from < 0)
        return errno == ENOENT ? 0
                               : err_set_errno(e, ERR_IO, errno,
                                     "could not read \"%s\"", from_path);
    to = open(to_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to < 0)
        err_set_errno(e, ERR_IO, errno, "could not create \"%s\"", to_path);
    else
        r = copy_bytes(from, to, from_path, e);
    close(from);
    if (to >= 0)
        close(to);
    return r;
}

static int
copy_damaged(const struct replica *r, const char *path, struct err *e)
{
    int result = copy_file(r->live_path, path, e);

    for (size_t i = 0; result == 0 && i < COMPANIONS; i++) {
        char *from = alloc_format("%s%s", r->live_path, companions[i]);
        char *to = alloc_format("%s%s", path, companions[i]);

        result = copy_file(from, to, e);
        free(from);
        free(to);
    }
    return result;
}

static bool
live_is_empty(const struct replica *r)
{
    struct stat st;

    return stat(r->live_path, &st) != 0 || st.st_size == 0;
}

int
install_backup_path(const struct replica *r, char **path, struct err *e)
{
    char *folder = file_join(r->work_dir, "backups");
    char stamp[CLOCK_TEXT_SIZE];
    int result = file_make_folder(folder, 0700, e);

    *path = NULL;
    if (result == 0) {
        clock_format(clock_utc_ms(), stamp);
        *path = alloc_format("%s/%s-r%llu.db", folder, stamp,
            (unsigned long long)r->state.revision);
    }
    free(folder);
    return result;
}

int
install_backup(struct replica *r, char **pathp, struct err *e)
{
    char *path = NULL;

    *pathp = NULL;
    if (live_is_empty(r))
        return 0;
    if (install_backup_path(r, &path, e) == 0 &&
        (r->db != NULL ? live_copy(r, path, e) : copy_damaged(r, path, e)) ==
            0 &&
        file_sync_parent(path, e) == 0) {
        *pathp = path;
        return 0;
    }
    free(path);
    return err_wrap(e, "could not keep a backup of dataset \"%s\"", r->name);
}

void
install_settle_backup(const struct replica *r, const char *path, bool installed)
{
    char *folder;

    if (!installed) {
        if (path != NULL)
            remove_backup(path);
        return;
    }
    folder = file_join(r->work_dir, "backups");
    remove_old_backups(folder);
    free(folder);
}

int
install_remove_companions(const struct replica *r, struct err *e)
{
    int result = 0;

    for (size_t i = 0; i < COMPANIONS && result == 0; i++) {
        char *path = alloc_format("%s%s", r->live_path, companions[i]);

        result = file_remove(path, e);
        free(path);
    }
    return result;
}

static int
read_number(sqlite3 *db, const char *sql, int64_t *value, struct err *e)
{
    sqlite3_stmt *stmt;
    int r = 0;

    if (database_prepare(db, sql, &stmt, e) != 0)
        return -1;
    if (sqlite3_step(stmt) == SQLITE_ROW)
        *value = sqlite3_column_int64(stmt, 0);
    else
        r = database_error(db, e, "could not read a pragma");
    sqlite3_finalize(stmt);
    return r;
}

bool
live_uses_wal(sqlite3 *db)
{
    sqlite3_stmt *stmt;
    struct err e = ERR_INIT;
    bool wal = false;

    if (database_prepare(db, "PRAGMA main.journal_mode", &stmt, &e) != 0)
        return false;
    if (sqlite3_step(stmt) == SQLITE_ROW)
        wal = strcmp((const char *)sqlite3_column_text(stmt, 0), "wal") == 0;
    sqlite3_finalize(stmt);
    return wal;
}

/* A WAL cannot hold pages of another size: such a target must leave WAL mode
 * for the time, which needs it to itself. */
static int
leave_wal(struct replica *r, struct staging *s, bool *left, struct err *e)
{
    int64_t page_size = 0, wanted = 0;

    *left = false;
    if (!live_uses_wal(r->db) ||
        read_number(r->db, "PRAGMA main.page_size", &page_size, e) != 0 ||
        read_number(s->db, "PRAGMA main.page_size", &wanted, e) != 0)
        return e->code == ERR_NONE ? 0 : -1;
    if (page_size == wanted)
        return 0;
    r->shm_inode = 0; /* the log and its index go and come by our own doing */
    if (database_exec(r->db, "PRAGMA main.journal_mode=DELETE", e) != 0)
        return -1;
    if (live_uses_wal(r->db))
        return err_set(e, ERR_BUSY, "the live database is in use");
    *left = true;
    return 0;
}

static int
copy_into_live(struct replica *r, struct staging *s, struct err *e)
{
    for (int n = 0; n < REPLICA_TRIES; n++) {
        bool left = false;
        int result;

        err_clear(e);
        result = leave_wal(r, s, &left, e);
        if (result == 0)
            result = database_copy(r->db, s->db, e);
        if (left)
            sqlite3_exec(r->db, "PRAGMA main.journal_mode=WAL", NULL, NULL,
                NULL);
        if (result == 0) {
            r->blocker[0] = '\0';
            return 0;
        }
        if (e->code != ERR_BUSY || stop_is_requested())
            return -1;
        blocker_find(r->live_path, r->blocker, sizeof(r->blocker));
        usleep(REPLICA_PAUSE_US);
    }
    blocker_explain(r->live_path, e);
    return err_wrap(e, "dataset \"%s\"", r->name);
}

/* The data version moves only when others commit: the same before and after
 * means that the file is what was installed. */
static int
install_through_sqlite(struct replica *r, struct staging *s, struct err *e)
{
    uint32_t before = 0, after = 0;
    int64_t pages = 0;

    row_tables_free(r->tables, r->table_count);
    r->tables = NULL;
    r->table_count = 0;
    if (database_data_version(r->db, &before, e) != 0 ||
        copy_into_live(r, s, e) != 0)
        return -1;
    r->suspect = true;
    if (database_data_version(r->db, &after, e) != 0)
        return -1;
    /* Durable in the log; moving it into the file waits for an idle moment. */
    if (live_uses_wal(r->db) &&
        read_number(r->db, "PRAGMA main.page_count", &pages, e) == 0)
        r->wal_frames = r->wal_frames_installed = (int)pages;
    live_note_stat(r);
    r->data_version = after;
    r->suspect = before != after;
    return 0;
}

static int
sync_path(const char *path, struct err *e)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    int r = 0;

    if (fd < 0 || fsync(fd) != 0)
        r = err_set_errno(e, ERR_IO, errno, "could not sync \"%s\"", path);
    if (fd >= 0)
        close(fd);
    return r;
}

/* Programs that may read the old file may read the new one. */
static void
copy_owner(const char *from, const char *to)
{
    struct stat st;

    if (stat(from, &st) != 0)
        return;
    if (chown(to, st.st_uid, st.st_gid) != 0)
        return;
    chmod(to, st.st_mode & 0777);
}

/* A file that was not there belongs to whom its folder belongs, and to nobody
 * else: the program that it is for decides who else may read it. */
static void
adopt_owner(const char *live_path, const char *to)
{
    char *copy;
    struct stat st;

    if (access(live_path, F_OK) == 0) {
        copy_owner(live_path, to);
        return;
    }
    copy = alloc_string(live_path);
    if (stat(dirname(copy), &st) == 0 && chown(to, st.st_uid, st.st_gid) == 0)
        chmod(to, 0600);
    free(copy);
}

/* To another file system: whole and synced beside the target first. */
static int
carry_over(const char *from_path, const char *to_path, struct err *e)
{
    char *beside = alloc_format("%s-lockstep-new", to_path);
    int from = open(from_path, O_RDONLY | O_CLOEXEC);
    int to = -1;
    int r = -1;

    unlink(beside); /* of an earlier try */
    if (from < 0)
        err_set_errno(e, ERR_IO, errno, "could not read \"%s\"", from_path);
    else if ((to = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                  0600)) < 0)
        err_set_errno(e, ERR_IO, errno, "could not create \"%s\"", beside);
    else
        r = copy_bytes(from, to, from_path, e);
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    if (r == 0) {
        copy_owner(from_path, beside);
        r = file_rename(beside, to_path, e);
    }
    if (r != 0)
        unlink(beside);
    else
        unlink(from_path);
    free(beside);
    return r;
}

static int
put_in_place(const char *from, const char *to, struct err *e)
{
    struct stat file;
    struct stat folder;
    char *copy = alloc_string(to);
    bool other = stat(from, &file) == 0 && stat(dirname(copy), &folder) == 0 &&
                 file.st_dev != folder.st_dev;

    free(copy);
    return other ? carry_over(from, to, e) : file_rename(from, to, e);
}

static int
install_by_rename(struct replica *r, struct staging *s,
    const char *staging_path, struct err *e)
{
    if (database_exec(s->db,
            r->foreign ? "PRAGMA journal_mode=DELETE"
                       : "PRAGMA journal_mode=WAL",
            e) != 0)
        return -1;
    staging_close(s);
    adopt_owner(r->live_path, staging_path);
    if (sync_path(staging_path, e) != 0)
        return -1;
    /* What belonged to the old file must not be applied to the new. */
    if (install_remove_companions(r, e) != 0 ||
        put_in_place(staging_path, r->live_path, e) != 0 ||
        live_open(r, e) != 0)
        return -1;
    if (r->db == NULL)
        return err_set(e, ERR_IO, "dataset \"%s\": %s", r->name, r->reason);
    live_note_stat(r);
    if (database_data_version(r->db, &r->data_version, e) != 0)
        return -1;
    r->suspect = false;
    return 0;
}

int
install_staging(struct replica *r, struct staging *s, const char *staging_path,
    struct err *e)
{
    if (r->db != NULL)
        return install_through_sqlite(r, s, e);
    return install_by_rename(r, s, staging_path, e);
}

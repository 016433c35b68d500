/*
 * The change of content by renameat2(RENAME_EXCHANGE): the staging file becomes
 * the live file, and the old one, as it is, the backup.  No page is copied, but
 * whoever has the old file open would stay with it.  So this is done only while
 * nobody has, as a write lease proves, which the kernel grants only then and
 * which makes whoever opens the file wait.  docs/decisions/0011 argues it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "sync/open.h"
#include "sync/overwrite.h"

/* Read and write format version in the header of a database: 2 is WAL. */
#define FORMAT_VERSIONS_AT 18

struct exchange {
    struct replica *r;
    const char *staging_path;
    char *aside;        /* a name that no start removes */
    bool wal;           /* the live file's journal mode */
    sqlite3_file *file; /* the live connection's */
    int live_fd;        /* SQLite's descriptor of it, leased; or -1 */
    int staging_fd;     /* ours, leased */
    struct stat staged; /* the staging file, complete */
};

/* SQLite's descriptor of that file, when this process has exactly one: closing
 * one of our own would cost SQLite's locks. */
static int
find_descriptor(const char *path)
{
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;
    struct stat wanted, st;
    unsigned count = 0;
    int found = -1;

    if (folder == NULL)
        return -1;
    while (stat(path, &wanted) == 0 && (entry = readdir(folder)) != NULL) {
        int fd = (int)strtol(entry->d_name, NULL, 10);

        if (entry->d_name[0] == '.' || fstat(fd, &st) != 0 ||
            st.st_dev != wanted.st_dev || st.st_ino != wanted.st_ino)
            continue;
        found = fd;
        count++;
    }
    closedir(folder);
    return count == 1 ? found : -1;
}

/* Granted while no other open file, of whatever process, is of this inode; who
 * opens it from then on waits for us (fcntl(2), "Leases"). */
static bool
take_lease(int fd)
{
    /* That somebody waits comes as a signal: one that is ignored. */
    return fd >= 0 && fcntl(fd, F_SETSIG, SIGURG) == 0 &&
           fcntl(fd, F_SETLEASE, F_WRLCK) == 0;
}

static bool
somebody_waits(int fd)
{
    return fcntl(fd, F_GETLEASE) != F_WRLCK;
}

static void
drop_lease(int fd)
{
    if (fd >= 0)
        fcntl(fd, F_SETLEASE, F_UNLCK);
}

static bool
is_alone(int fd)
{
    bool alone = take_lease(fd);

    if (alone)
        drop_lease(fd);
    return alone;
}

/* Whether another inode can stand for the live file: a regular file with one
 * name, in the file system of the staging file, with no attributes that would
 * have to be carried over. */
static bool
is_plain_file(const struct replica *r)
{
    struct stat live, folder;

    return lstat(r->live_path, &live) == 0 && S_ISREG(live.st_mode) &&
           live.st_nlink == 1 && stat(r->work_dir, &folder) == 0 &&
           folder.st_dev == live.st_dev &&
           llistxattr(r->live_path, NULL, 0) <= 0;
}

int
exchange_look(struct replica *r, bool *possible, struct err *e)
{
    *possible = false;
    if (r->db == NULL || !is_plain_file(r))
        return 0;
    if (r->let_go != NULL)
        r->let_go(r->notice_ctx);
    /* SQLite keeps the descriptors of closed connections while another one
     * holds a lock. */
    live_close(r);
    if (live_open(r, e) != 0)
        return -1;
    *possible = r->db != NULL && is_alone(find_descriptor(r->live_path));
    return 0;
}

static bool
log_is_empty(const struct replica *r)
{
    char *path = alloc_format("%s-wal", r->live_path);
    struct stat st;
    bool empty = stat(path, &st) != 0 || st.st_size == 0;

    free(path);
    return empty;
}

/* SQLite's exclusive lock, for whoever comes by the old file in spite of the
 * lease.  With a log the pager holds SHARED all the time: from there on. */
static bool
lock_live(struct exchange *x)
{
    sqlite3 *db = x->r->db;

    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &x->file) !=
            SQLITE_OK ||
        x->file == NULL || x->file->pMethods == NULL)
        return false;
    if (!x->wal)
        return sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL) ==
               SQLITE_OK;
    return x->file->pMethods->xLock(x->file, SQLITE_LOCK_EXCLUSIVE) ==
           SQLITE_OK;
}

/* True when all of the live database is in its file, which is ours alone. */
static bool
claim_live(struct exchange *x)
{
    struct replica *r = x->r;
    struct err e = ERR_INIT;
    bool complete;

    if (x->wal && (database_checkpoint(r->db, SQLITE_CHECKPOINT_TRUNCATE,
                       &complete, &e) != 0 ||
                      !complete))
        return false;
    if (!lock_live(x) || database_has_moved(r->db))
        return false;
    x->live_fd = find_descriptor(r->live_path);
    /* Somebody may have come and gone since the log was written back. */
    return take_lease(x->live_fd) && log_is_empty(r) && is_plain_file(r);
}

/* Whoever may use the old file may use the new one. */
static int
copy_owner(const struct exchange *x)
{
    struct stat live;

    if (stat(x->r->live_path, &live) != 0 ||
        fchown(x->staging_fd, live.st_uid, live.st_gid) != 0)
        return -1;
    return fchmod(x->staging_fd, live.st_mode & 07777);
}

/* The staging file as a live file, durable, leased. */
static bool
ready_staging(struct exchange *x, struct staging *s)
{
    static const uint8_t wal[2] = { 2, 2 };

    staging_close(s);
    return (!x->wal || pwrite(x->staging_fd, wal, sizeof(wal),
                           FORMAT_VERSIONS_AT) == sizeof(wal)) &&
           copy_owner(x) == 0 && fsync(x->staging_fd) == 0 &&
           fstat(x->staging_fd, &x->staged) == 0 && take_lease(x->staging_fd);
}

static bool
exchange(const struct exchange *x)
{
    return renameat2(AT_FDCWD, x->aside, AT_FDCWD, x->r->live_path,
               RENAME_EXCHANGE) == 0;
}

/* Whoever waits for the old file would get it, and stay with it: then it goes
 * back, unless somebody waits for the new one as well. */
static bool
swap(struct exchange *x)
{
    struct err e = ERR_INIT;

    if (install_remove_companions(x->r, &e) != 0 ||
        rename(x->staging_path, x->aside) != 0)
        return false;
    if (!somebody_waits(x->live_fd) && exchange(x) &&
        (!somebody_waits(x->live_fd) || somebody_waits(x->staging_fd) ||
            !exchange(x)))
        return true;
    rename(x->aside, x->staging_path);
    return false;
}

static void
release_leases(struct exchange *x)
{
    drop_lease(x->live_fd);
    close(x->staging_fd); /* before SQLite opens it */
}

/* The old file under its name as a backup: of its owner only, without a log. */
static int
keep_old(struct exchange *x, struct err *e)
{
    static const uint8_t no_wal[2] = { 1, 1 };
    char *path = NULL;
    int r;

    if (chmod(x->aside, 0600) != 0 ||
        (x->wal && (x->file->pMethods->xWrite(x->file, no_wal, sizeof(no_wal),
                        FORMAT_VERSIONS_AT) != SQLITE_OK ||
                       x->file->pMethods->xSync(x->file, SQLITE_SYNC_NORMAL) !=
                           SQLITE_OK)))
        r = err_set_errno(e, ERR_IO, errno, "could not write \"%s\"", x->aside);
    else
        r = install_backup_path(x->r, &path, e);
    if (r == 0)
        r = file_rename(x->aside, path, e);
    free(path);
    return r;
}

/* Opens the new live file.  Who wrote to it before our first look is found out:
 * by its time, or by the log. */
static int
open_new(struct exchange *x, struct err *e)
{
    struct replica *r = x->r;

    if (live_open(r, e) != 0)
        return -1;
    if (r->db == NULL)
        return err_set(e, ERR_IO, "dataset \"%s\": %s", r->name, r->reason);
    if (database_data_version(r->db, &r->data_version, e) != 0)
        return -1;
    live_note_stat(r);
    r->suspect = r->seen.st_ino != x->staged.st_ino ||
                 r->seen.st_size != x->staged.st_size ||
                 r->seen.st_mtim.tv_sec != x->staged.st_mtim.tv_sec ||
                 r->seen.st_mtim.tv_nsec != x->staged.st_mtim.tv_nsec ||
                 !log_is_empty(r);
    return 0;
}

static int
take_over(struct exchange *x, struct err *e)
{
    struct replica *r = x->r;
    struct err kept = ERR_INIT;

    r->replaced = live_steal(r);
    r->replaced_fd = x->live_fd;
    release_leases(x);
    if (keep_old(x, &kept) != 0)
        replica_notice(r, "backup", "%.300s", kept.message);
    if (file_sync_parent(r->live_path, e) != 0)
        return -1;
    return open_new(x, e);
}

/* The live file stays; its connection is made anew, because its lock is more
 * than the pager knows of, and its log may be gone. */
static int
step_back(struct exchange *x, struct staging *s, struct err *e)
{
    struct replica *r = x->r;

    database_abandon(live_steal(r));
    close(x->staging_fd);
    if (live_open(r, e) != 0)
        return -1;
    return staging_reopen(s, x->staging_path, e);
}

int
exchange_staging(struct replica *r, struct staging *s, struct overwrite *o,
    bool *done, struct err *e)
{
    struct exchange x = { .r = r,
        .staging_path = o->staging_path,
        .live_fd = -1,
        .staging_fd = o->fd };
    int result;

    *done = false;
    if (exchange_keep_leftover(r, e) != 0)
        return -1;
    o->fd = -1;
    x.aside = file_join(r->work_dir, REPLACED_NAME);
    x.wal = live_uses_wal(r->db);
    *done = ready_staging(&x, s) && claim_live(&x) && swap(&x);
    result = *done ? take_over(&x, e) : step_back(&x, s, e);
    free(x.aside);
    return result;
}

void
exchange_forget_replaced(struct replica *r, bool closing)
{
    if (r->replaced == NULL || (!closing && !is_alone(r->replaced_fd)))
        return;
    database_abandon(r->replaced);
    r->replaced = NULL;
}

int
exchange_keep_leftover(const struct replica *r, struct err *e)
{
    char *aside = file_join(r->work_dir, REPLACED_NAME);
    char *path = NULL;
    int result = 0;

    if (file_exists(aside) && (result = install_backup_path(r, &path, e)) == 0)
        result = file_rename(aside, path, e);
    free(path);
    free(aside);
    return result;
}

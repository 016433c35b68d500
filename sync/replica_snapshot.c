/*
 * A consistent copy of a database that may be in use.  Usually its log is
 * written back, so that the file alone is the database, and stays as it is
 * while a read transaction is open: then it is copied in large pieces, through
 * the connection's own file handle, because a descriptor of ours, once closed,
 * would drop SQLite's locks.  Else SQLite's backup copies it page by page,
 * which takes three times as long.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/stop.h"
#include "sync/copy.h"
#include "sync/open.h"
#include "sync/replica_internal.h"

#define SNAPSHOT_WAIT_MS 5000
#define PIECE_SIZE ((size_t)256 << 10)
/* Read and write format version in the header of a database: 2 is WAL. */
#define FORMAT_VERSIONS_AT 18

/* Empty and readable by its owner only, before SQLite sees it. */
static int
make_empty(const char *path, struct err *e)
{
    int fd;

    if (file_remove(path, e) != 0)
        return -1;
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set_errno(e, ERR_IO, errno, "could not create \"%s\"", path);
    close(fd);
    return 0;
}

/* The copy is closed by now, so opening it costs no lock. */
static int
sync_file(const char *path, struct err *e)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    int r = 0;

    if (fd < 0 || fdatasync(fd) != 0)
        r = err_set_errno(e, ERR_IO, errno, "could not sync \"%s\"", path);
    if (fd >= 0)
        close(fd);
    return r;
}

static int
copy_by_pages(sqlite3 *from, const char *path, struct err *e)
{
    sqlite3 *to = NULL;
    int r = -1;

    if (database_open(&to, path, OPEN_WRITE, SNAPSHOT_WAIT_MS, e) != 0)
        return -1;
    /* The copy is synced once, at the end; a torn one is made again. */
    if (database_exec(to, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF",
            e) == 0)
        r = database_copy(to, from, e);
    database_close(to);
    return r;
}

static int
read_size(sqlite3 *db, uint64_t *size, struct err *e)
{
    sqlite3_stmt *stmt;
    int r = 0;

    if (database_prepare(db,
            "SELECT page_count*page_size FROM pragma_page_count,"
            " pragma_page_size",
            &stmt, e) != 0)
        return -1;
    if (sqlite3_step(stmt) == SQLITE_ROW)
        *size = (uint64_t)sqlite3_column_int64(stmt, 0);
    else
        r = database_error(db, e, "could not read the size");
    sqlite3_finalize(stmt);
    return r;
}

/* Begins a read transaction and says whether the file alone is what it sees:
 * all of the log was written back, and nobody committed since.  SQLite then
 * reads the file without the log and keeps checkpoints off it (a database
 * without a log is kept by the lock of its readers). */
static bool
pin_file(sqlite3 *db, uint64_t *size)
{
    uint32_t before = 0, now = 0;
    bool complete = false;
    struct err e = ERR_INIT;

    return database_data_version(db, &before, &e) == 0 &&
           database_checkpoint(db, SQLITE_CHECKPOINT_PASSIVE, &complete, &e) ==
               0 &&
           complete && database_exec(db, "BEGIN", &e) == 0 &&
           read_size(db, size, &e) == 0 &&
           database_data_version(db, &now, &e) == 0 && now == before;
}

/* The copy needs no log, so its header says so. */
static int
copy_pieces(sqlite3_file *from, uint64_t size, int to, struct err *e)
{
    uint8_t *piece = alloc_bytes(PIECE_SIZE);
    int r = 0;

    for (uint64_t at = 0; at < size && r == 0; at += PIECE_SIZE) {
        size_t n = size - at < PIECE_SIZE ? (size_t)(size - at) : PIECE_SIZE;
        int rc;

        r = stop_check(e);
        if (r != 0)
            break;
        rc = from->pMethods->xRead(from, piece, (int)n, (sqlite3_int64)at);
        if (rc != SQLITE_OK) {
            r = err_set(e, ERR_IO, "could not copy: %s", sqlite3_errstr(rc));
            break;
        }
        if (at == 0 && n > FORMAT_VERSIONS_AT + 1)
            piece[FORMAT_VERSIONS_AT] = piece[FORMAT_VERSIONS_AT + 1] = 1;
        r = file_write_all(to, piece, n, e);
    }
    free(piece);
    return r;
}

static int
copy_file(sqlite3 *from, uint64_t size, const char *path, struct err *e)
{
    sqlite3_file *file = NULL;
    int fd, r;

    if (sqlite3_file_control(from, "main", SQLITE_FCNTL_FILE_POINTER, &file) !=
            SQLITE_OK ||
        file == NULL || file->pMethods == NULL)
        return err_set(e, ERR_INTERNAL, "no file handle");
    fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_set_errno(e, ERR_IO, errno, "could not write \"%s\"", path);
    r = copy_pieces(file, size, fd, e);
    close(fd);
    return r;
}

int
snapshot_take(sqlite3 *from, const char *path, struct err *e)
{
    uint64_t size = 0;
    int r;

    if (make_empty(path, e) != 0)
        return -1;
    if (pin_file(from, &size)) {
        r = copy_file(from, size, path, e);
        database_rollback(from);
    } else {
        database_rollback(from);
        r = copy_by_pages(from, path, e);
    }
    if (r == 0)
        r = sync_file(path, e);
    if (r != 0)
        unlink(path);
    return r;
}

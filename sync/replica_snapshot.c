/*
 * A consistent copy of a database that may be in use, by SQLite's backup.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "sync/copy.h"
#include "sync/open.h"
#include "sync/replica_internal.h"

#define SNAPSHOT_WAIT_MS 5000

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

int
snapshot_take(sqlite3 *from, const char *path, struct err *e)
{
    sqlite3 *to = NULL;
    int r = -1;

    if (make_empty(path, e) != 0 ||
        database_open(&to, path, OPEN_WRITE, SNAPSHOT_WAIT_MS, e) != 0)
        return -1;
    /* The copy is synced once, at the end; a torn one is made again. */
    if (database_exec(to, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF",
            e) == 0)
        r = database_copy(to, from, e);
    database_close(to);
    if (r == 0)
        r = sync_file(path, e);
    if (r != 0)
        unlink(path);
    return r;
}

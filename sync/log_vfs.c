/*
 * Frames of the log gathered.  What SQLite writes is a header of 24 bytes, then
 * its page; see "WAL-mode File Format" in SQLite's file format.
 *
 * The log is a file of ours.  A database is the system's own file with one
 * method replaced: where its write lock is let go, frames that are still
 * gathered were rolled back, and their place in the log is the next writer's.
 * Any other file is the system's.
 */
#include "sync/log_vfs.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_HEADER 24
/* Offset of the size in pages that only a committing frame has. */
#define FRAME_COMMITS 4
/* The lock that a writer holds; "The WAL-Index File Format". */
#define WRITE_LOCK 0
#define GATHER_FIRST ((size_t)32 << 10)
#define ALIGNED(size) (((size_t)(size) + 15) & ~(size_t)15)
/* What SQLite's VFS for Unix takes in one write, 17 bits. */
#define GATHER_MAX (((size_t)128 << 10) - 1)

/* A log that grows changes its inode too, which the sync has to wait for; one
 * that is written over does not. */
#define AHEAD ((sqlite3_int64)256 << 10)
#define ZEROS ((int)16 << 10)

struct log_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this struct */
    uint8_t *data;      /* to be written at OFFSET */
    size_t len;
    size_t cap;
    sqlite3_int64 offset;
    sqlite3_int64 end; /* of what was written since the log began anew */
    bool header_last;  /* of a frame whose page comes next */
    bool commits;      /* that frame does */
    struct main_file *main;
};

/* Stands behind the system's file of a database. */
struct main_file {
    sqlite3_io_methods methods; /* the system's, but for one */
    const sqlite3_io_methods *real;
    struct log_file *log; /* NULL: not open */
};

static sqlite3_vfs vfs;

static void
drop(struct log_file *f)
{
    free(f->data);
    f->data = NULL;
    f->len = f->cap = 0;
    f->header_last = f->commits = false;
}

/* Writes what was gathered; what cannot be written is not there, as if SQLite
 * had been told so frame by frame. */
static int
flush(struct log_file *f)
{
    int rc = SQLITE_OK;

    if (f->len > 0)
        rc =
            f->real->pMethods->xWrite(f->real, f->data, (int)f->len, f->offset);
    f->len = 0;
    return rc;
}

/* Room for the next commits behind the one that ends at END.  Nobody needs what
 * is there: the log's writer is us, and frames end here.  Only a wish. */
static void
make_room_ahead(struct log_file *f, sqlite3_int64 end)
{
    static const uint8_t zeros[ZEROS];
    const sqlite3_io_methods *real = f->real->pMethods;
    sqlite3_int64 size;

    if (real->xFileSize(f->real, &size) != SQLITE_OK || size > end)
        return;
    for (sqlite3_int64 at = end; at < end + AHEAD; at += ZEROS)
        if (real->xWrite(f->real, zeros, ZEROS, at) != SQLITE_OK)
            return;
}

/* False when there is no memory: then nothing is gathered. */
static bool
has_room(struct log_file *f, size_t amount)
{
    size_t cap = f->cap == 0 ? GATHER_FIRST : f->cap;
    uint8_t *data;

    if (f->len + amount > GATHER_MAX)
        return false;
    while (cap < f->len + amount)
        cap *= 2;
    if (cap == f->cap)
        return true;
    data = realloc(f->data, cap);
    if (data == NULL)
        return false;
    f->data = data;
    f->cap = cap;
    return true;
}

static int
gather(struct log_file *f, const void *data, size_t amount,
    sqlite3_int64 offset)
{
    int rc;

    if (f->len > 0 &&
        (offset != f->offset + (sqlite3_int64)f->len || !has_room(f, amount))) {
        rc = flush(f);
        if (rc != SQLITE_OK)
            return rc;
    }
    if (!has_room(f, amount))
        return f->real->pMethods->xWrite(f->real, data, (int)amount, offset);
    if (f->len == 0)
        f->offset = offset;
    memcpy(f->data + f->len, data, amount);
    f->len += amount;
    return SQLITE_OK;
}

/* A header that is written over an older one, for its checksum, has no page
 * behind it; neither has the log's own. */
static bool
begins_frame(const struct log_file *f, int amount, sqlite3_int64 offset)
{
    return amount == FRAME_HEADER && !f->header_last && offset >= f->end;
}

static int
log_write(sqlite3_file *file, const void *data, int amount,
    sqlite3_int64 offset)
{
    static const uint8_t none[4];
    struct log_file *f = (struct log_file *)file;
    bool header = begins_frame(f, amount, offset);
    bool commits = !header && f->header_last && f->commits;
    bool ends = commits || (!header && !f->header_last);
    int rc = gather(f, data, (size_t)amount, offset);

    if (offset == 0 || offset + amount > f->end)
        f->end = offset + amount;
    f->header_last = header;
    f->commits = header && memcmp((const uint8_t *)data + FRAME_COMMITS, none,
                               sizeof(none)) != 0;
    if (rc == SQLITE_OK && ends)
        rc = flush(f);
    if (rc == SQLITE_OK && commits)
        make_room_ahead(f, offset + amount);
    if (rc != SQLITE_OK || ends)
        drop(f);
    return rc;
}

/* What is gathered comes before any other use of the file. */
static int
settle(sqlite3_file *file, sqlite3_file **real)
{
    struct log_file *f = (struct log_file *)file;

    *real = f->real;
    return flush(f);
}

static int
log_close(sqlite3_file *file)
{
    struct log_file *f = (struct log_file *)file;

    /* Frames without their commit are nobody's. */
    drop(f);
    if (f->main != NULL)
        f->main->log = NULL;
    return f->real->pMethods->xClose(f->real);
}

static int
log_read(sqlite3_file *file, void *data, int amount, sqlite3_int64 offset)
{
    sqlite3_file *real;
    int rc = settle(file, &real);

    return rc != SQLITE_OK ? rc
                           : real->pMethods->xRead(real, data, amount, offset);
}

static int
log_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    sqlite3_file *real;
    int rc = settle(file, &real);

    return rc != SQLITE_OK ? rc : real->pMethods->xTruncate(real, size);
}

static int
log_sync(sqlite3_file *file, int flags)
{
    sqlite3_file *real;
    int rc = settle(file, &real);

    return rc != SQLITE_OK ? rc : real->pMethods->xSync(real, flags);
}

static int
log_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    sqlite3_file *real;
    int rc = settle(file, &real);

    return rc != SQLITE_OK ? rc : real->pMethods->xFileSize(real, size);
}

static int
log_file_control(sqlite3_file *file, int op, void *arg)
{
    sqlite3_file *real = ((struct log_file *)file)->real;

    return real->pMethods->xFileControl(real, op, arg);
}

static int
log_lock(sqlite3_file *file, int level)
{
    sqlite3_file *real = ((struct log_file *)file)->real;

    return real->pMethods->xLock(real, level);
}

static int
log_unlock(sqlite3_file *file, int level)
{
    sqlite3_file *real = ((struct log_file *)file)->real;

    return real->pMethods->xUnlock(real, level);
}

static int
log_check_reserved(sqlite3_file *file, int *result)
{
    sqlite3_file *real = ((struct log_file *)file)->real;

    return real->pMethods->xCheckReservedLock(real, result);
}

static int
log_sector_size(sqlite3_file *file)
{
    sqlite3_file *real = ((struct log_file *)file)->real;

    return real->pMethods->xSectorSize(real);
}

static int
log_characteristics(sqlite3_file *file)
{
    sqlite3_file *real = ((struct log_file *)file)->real;

    return real->pMethods->xDeviceCharacteristics(real);
}

static const sqlite3_io_methods log_methods = {
    .iVersion = 1,
    .xClose = log_close,
    .xRead = log_read,
    .xWrite = log_write,
    .xTruncate = log_truncate,
    .xSync = log_sync,
    .xFileSize = log_file_size,
    .xLock = log_lock,
    .xUnlock = log_unlock,
    .xCheckReservedLock = log_check_reserved,
    .xFileControl = log_file_control,
    .xSectorSize = log_sector_size,
    .xDeviceCharacteristics = log_characteristics,
};

static struct main_file *
main_of(sqlite3_file *file)
{
    const sqlite3_vfs *system = vfs.pAppData;

    return (struct main_file *)((char *)file + ALIGNED(system->szOsFile));
}

static int
main_shm_lock(sqlite3_file *file, int first, int count, int flags)
{
    struct main_file *m = main_of(file);

    if (m->log != NULL && first == WRITE_LOCK &&
        (flags & SQLITE_SHM_UNLOCK) != 0)
        drop(m->log);
    return m->real->xShmLock(file, first, count, flags);
}

static int
open_main(sqlite3_vfs *system, const char *name, sqlite3_file *file, int flags,
    int *out_flags)
{
    struct main_file *m = main_of(file);
    int rc = system->xOpen(system, name, file, flags, out_flags);

    if (file->pMethods != NULL && file->pMethods->iVersion >= 2) {
        m->real = file->pMethods;
        m->methods = *m->real;
        m->methods.xShmLock = main_shm_lock;
        m->log = NULL;
        file->pMethods = &m->methods;
    }
    return rc;
}

static int
open_log(sqlite3_vfs *system, const char *name, sqlite3_file *file, int flags,
    int *out_flags)
{
    sqlite3_file *database = sqlite3_database_file_object(name);
    struct main_file *m = main_of(database);
    struct log_file *f = (struct log_file *)file;
    int rc;

    if (database->pMethods != &m->methods)
        return system->xOpen(system, name, file, flags, out_flags);
    memset(f, 0, sizeof(*f));
    f->real = (sqlite3_file *)((char *)f + ALIGNED(sizeof(*f)));
    rc = system->xOpen(system, name, f->real, flags, out_flags);
    if (f->real->pMethods != NULL) {
        f->base.pMethods = &log_methods;
        f->main = m;
        m->log = f;
    }
    return rc;
}

static int
log_vfs_open(sqlite3_vfs *self, const char *name, sqlite3_file *file, int flags,
    int *out_flags)
{
    sqlite3_vfs *system = self->pAppData;

    if ((flags & SQLITE_OPEN_WAL) != 0)
        return open_log(system, name, file, flags, out_flags);
    if ((flags & SQLITE_OPEN_MAIN_DB) != 0)
        return open_main(system, name, file, flags, out_flags);
    return system->xOpen(system, name, file, flags, out_flags);
}

static void
register_vfs(void)
{
    sqlite3_vfs *system = sqlite3_vfs_find(NULL);

    vfs = *system;
    vfs.zName = "lockstep-log";
    vfs.pNext = NULL;
    vfs.pAppData = system;
    vfs.szOsFile =
        (int)(ALIGNED(system->szOsFile) + ALIGNED(sizeof(struct main_file)) +
              ALIGNED(sizeof(struct log_file)));
    vfs.xOpen = log_vfs_open;
    sqlite3_vfs_register(&vfs, 0);
}

const char *
log_vfs_name(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, register_vfs);
    return vfs.zName;
}

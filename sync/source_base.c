/*
 * The live file without its log.  SQLite lays the log (-wal) over whatever file
 * has the name: put an older file there, by mv or by cp, and what readers see
 * is a mixture, newest nonce included.  So the nonce is read from the main file
 * alone as well; it must never be older than it was.
 *
 * The bytes come through the descriptor that SQLite holds already: another open
 * and close of the file would drop its locks.
 */
#include "sync/source_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/open.h"

struct base_file {
    sqlite3_file file;
    sqlite3_file *live; /* SQLite's own, borrowed */
};

static sqlite3_file *
live_of(sqlite3_file *file)
{
    return ((struct base_file *)file)->live;
}

static int
base_close(sqlite3_file *file)
{
    (void)file;
    return SQLITE_OK;
}

static int
base_read(sqlite3_file *file, void *data, int len, sqlite3_int64 offset)
{
    sqlite3_file *live = live_of(file);

    return live->pMethods->xRead(live, data, len, offset);
}

static int
base_size(sqlite3_file *file, sqlite3_int64 *size)
{
    sqlite3_file *live = live_of(file);

    return live->pMethods->xFileSize(live, size);
}

static int
base_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 offset)
{
    (void)file;
    (void)data;
    (void)len;
    (void)offset;
    return SQLITE_READONLY;
}

static int
base_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    (void)file;
    (void)size;
    return SQLITE_READONLY;
}

static int
base_flags(sqlite3_file *file, int flags)
{
    (void)file;
    (void)flags;
    return SQLITE_OK;
}

static int
base_reserved(sqlite3_file *file, int *reserved)
{
    (void)file;
    *reserved = 0;
    return SQLITE_OK;
}

static int
base_control(sqlite3_file *file, int op, void *arg)
{
    (void)file;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int
base_sector(sqlite3_file *file)
{
    (void)file;
    return 4096;
}

/* No journal, no log, no lock. */
static int
base_characteristics(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_IMMUTABLE;
}

static int
base_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
    int *out_flags)
{
    static const sqlite3_io_methods methods = {
        .iVersion = 1,
        .xClose = base_close,
        .xRead = base_read,
        .xWrite = base_write,
        .xTruncate = base_truncate,
        .xSync = base_flags,
        .xFileSize = base_size,
        .xLock = base_flags,
        .xUnlock = base_flags,
        .xCheckReservedLock = base_reserved,
        .xFileControl = base_control,
        .xSectorSize = base_sector,
        .xDeviceCharacteristics = base_characteristics,
    };

    (void)name;
    if ((flags & SQLITE_OPEN_MAIN_DB) == 0)
        return SQLITE_CANTOPEN;
    file->pMethods = &methods;
    ((struct base_file *)file)->live = vfs->pAppData;
    if (out_flags != NULL)
        *out_flags = SQLITE_OPEN_READONLY;
    return SQLITE_OK;
}

static int
base_access(sqlite3_vfs *vfs, const char *name, int flags, int *there)
{
    (void)vfs;
    (void)name;
    (void)flags;
    *there = 0;
    return SQLITE_OK;
}

static int
base_path(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
    (void)vfs;
    snprintf(out, (size_t)size, "%s", name);
    return SQLITE_OK;
}

/* The nonce in the main file alone; *PRESENT is false when there is none, or
 * when the file cannot be read so (a checkpoint may be writing it). */
static void
read_base_nonce(sqlite3 *live, uint8_t nonce[ID_SIZE], bool *present)
{
    sqlite3_file *file = NULL;
    struct err ignored = ERR_INIT;
    sqlite3_vfs vfs = *sqlite3_vfs_find(NULL);
    sqlite3 *db = NULL;
    char name[40];

    *present = false;
    if (sqlite3_file_control(live, "main", SQLITE_FCNTL_FILE_POINTER, &file) !=
            SQLITE_OK ||
        file == NULL || file->pMethods == NULL)
        return;
    snprintf(name, sizeof(name), "lockstep-base-%p", (void *)&vfs);
    vfs.iVersion = 1;
    vfs.szOsFile = sizeof(struct base_file);
    vfs.pNext = NULL;
    vfs.zName = name;
    vfs.pAppData = file;
    vfs.xOpen = base_open;
    vfs.xDelete = NULL;
    vfs.xAccess = base_access;
    vfs.xFullPathname = base_path;
    if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK)
        return;
    if (sqlite3_open_v2("base", &db, SQLITE_OPEN_READONLY, name) == SQLITE_OK &&
        capture_read_nonce(db, nonce, present, &ignored) != 0)
        *present = false;
    database_close(db);
    sqlite3_vfs_unregister(&vfs);
}

uint64_t
source_nonce_revision(const uint8_t nonce[ID_SIZE])
{
    struct reader r = reader_over(nonce, ID_SIZE);

    return reader_u64(&r);
}

void
source_new_nonce(uint64_t revision, uint8_t nonce[ID_SIZE])
{
    random_bytes(nonce, ID_SIZE);
    for (int i = 0; i < 8; i++)
        nonce[i] = (uint8_t)(revision >> (56 - 8 * i));
}

bool
source_nonce_is_set(const uint8_t nonce[ID_SIZE])
{
    static const uint8_t none[ID_SIZE];

    return memcmp(nonce, none, ID_SIZE) != 0;
}

bool
source_log_is_empty(const struct source *s)
{
    char *path = alloc_format("%s-wal", s->config.live_path);
    struct stat st;
    bool empty = stat(path, &st) != 0 || st.st_size == 0;

    free(path);
    return empty;
}

void
source_base_complete(struct source *s)
{
    struct err ignored = ERR_INIT;

    if (source_live_mark(s, &s->base_mark, &ignored) == 0)
        s->base_revision = source_nonce_revision(s->state.nonce_next);
}

int
source_base_check(struct source *s, const struct file_mark *mark, struct err *e)
{
    uint8_t nonce[ID_SIZE];
    uint64_t revision;
    bool present, older;

    if (source_same_mark(mark, &s->base_mark))
        return 0;
    if (source_log_is_empty(s)) {
        s->base_mark = *mark;
        return 0;
    }
    read_base_nonce(s->live, nonce, &present);
    if (!present)
        return 0;
    revision = source_nonce_revision(nonce);
    older = revision < s->base_revision || revision > s->state.revision;
    /* A part of the log that was written to the file is not read from the log
     * again: rows of the next revision may be in that part. */
    if (!older && source_lacks_revision(s, revision + 1, &older, e) != 0)
        return -1;
    if (older) {
        source_hold(s, "the live database was replaced by an older or foreign "
                       "copy while its log held newer changes");
        return source_held_error(s, e);
    }
    s->base_mark = *mark;
    s->base_revision = revision;
    return 0;
}

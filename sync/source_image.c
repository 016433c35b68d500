/*
 * The published copy as a file image, pinned without copying it: the log is
 * written back and emptied, then a read transaction is begun.  With an empty
 * log it takes read mark 0, and while that is held no checkpoint may write to
 * the file: publishing goes on in the log alone.
 *
 * The pages are read through the connection's own file handle, because a
 * descriptor of ours, once closed, would drop SQLite's locks.  Where the log
 * cannot be emptied (another image of an older revision is open) the copy is
 * copied.
 */
#include "sync/source_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "sync/copy.h"
#include "sync/open.h"

struct image {
    sqlite3 *db;
    sqlite3_file *file; /* the connection's */
    uint64_t size;
    struct dataset_state state;
};

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

static int
take_file(struct image *image, struct err *e)
{
    if (sqlite3_file_control(image->db, "main", SQLITE_FCNTL_FILE_POINTER,
            &image->file) != SQLITE_OK ||
        image->file == NULL || image->file->pMethods == NULL)
        return err_set(e, ERR_INTERNAL, "no file handle");
    return 0;
}

/* True when every page is in the file and the log is empty. */
static bool
empty_log(struct source *s)
{
    int frames = -1, written = -1;

    return sqlite3_wal_checkpoint_v2(s->published, "main",
               SQLITE_CHECKPOINT_TRUNCATE, &frames, &written) == SQLITE_OK &&
           frames == 0 && written == 0;
}

static int
pin(struct source *s, struct image *image, struct err *e)
{
    if (database_open(&image->db, s->published_path, OPEN_WRITE,
            SOURCE_READ_WAIT_MS, e) != 0)
        return -1;
    /* It may be closed when another file has the name already. */
    sqlite3_db_config(image->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (database_exec(image->db, "BEGIN", e) != 0 ||
        read_size(image->db, &image->size, e) != 0)
        return -1;
    return take_file(image, e);
}

static int
copy(struct source *s, struct image *image, struct err *e)
{
    char *path = file_join(s->config.work_dir, "image.db");
    int r = -1;

    if (file_remove(path, e) != 0 ||
        read_size(s->published, &image->size, e) != 0)
        goto out;
    if (sqlite3_open_v2(path, &image->db,
            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
            NULL) != SQLITE_OK ||
        database_exec(image->db,
            "PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF", e) != 0)
        database_error(image->db, e, "could not copy the published copy");
    else if (database_copy(image->db, s->published, e) == 0)
        r = take_file(image, e);
out:
    unlink(path); /* the connection keeps it */
    free(path);
    return r;
}

int
source_image_open(struct source *source, struct image **image, struct err *e)
{
    struct image *i;
    int r;

    *image = NULL;
    if (source->published == NULL)
        return err_set(e, ERR_NOT_FOUND, "nothing is published yet");
    i = alloc_zeroed(1, sizeof(*i));
    i->state = source->state;
    r = empty_log(source) ? pin(source, i, e) : copy(source, i, e);
    if (r != 0) {
        image_close(i);
        return err_wrap(e, "could not pin the published copy");
    }
    *image = i;
    return 0;
}

uint64_t
image_size(const struct image *image)
{
    return image->size;
}

void
image_state(const struct image *image, struct dataset_state *state)
{
    *state = image->state;
}

int
image_read(struct image *image, uint64_t offset, void *data, size_t len,
    size_t *got, struct err *e)
{
    uint64_t left = offset < image->size ? image->size - offset : 0;
    int rc;

    *got = 0;
    if (len > left)
        len = (size_t)left;
    if (len > (1u << 30))
        len = 1u << 30;
    if (len == 0)
        return 0;
    rc = image->file->pMethods->xRead(image->file, data, (int)len,
        (sqlite3_int64)offset);
    if (rc != SQLITE_OK)
        return err_set(e, ERR_IO, "could not read the published copy: %s",
            sqlite3_errstr(rc));
    *got = len;
    return 0;
}

void
image_close(struct image *image)
{
    if (image == NULL)
        return;
    database_rollback(image->db);
    database_close(image->db);
    free(image);
}

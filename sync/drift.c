/*
 * The drift file: see the header.  Lines are gathered and synced in one go, so
 * that a repair waits for the disk once.
 */
#include "sync/drift.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "sync/value.h"

/* A row longer than this is cut in the drift file; "..." would be read as
 * content, so value_show decides how a cut looks. */
#define DRIFT_SHOWN_MAX 65536

/* Lines are written once there are so many bytes of them. */
#define DRIFT_GATHERED 262144

struct drift_file {
    char *path;
    char *work_dir;
    char *dataset;
    struct buf lines;
    bool written; /* some were, and are not synced */
    int fd;
    struct err failed;
};

static int
rotate_when_full(struct drift_file *file, struct err *e)
{
    struct stat st;
    char *old;
    int r = 0;

    if (stat(file->path, &st) != 0 || st.st_size < DRIFT_FILE_MAX)
        return 0;
    old = alloc_format("%s.1", file->path);
    r = file_rename(file->path, old, e);
    free(old);
    return r;
}

int
drift_file_open(struct drift_file **filep, const char *work_dir,
    const char *dataset, struct err *e)
{
    struct drift_file *file = alloc_zeroed(1, sizeof(*file));

    *filep = NULL;
    file->fd = -1;
    file->work_dir = alloc_string(work_dir);
    file->dataset = alloc_string(dataset);
    file->path = file_join(work_dir, "drift.jsonl");
    if (rotate_when_full(file, e) != 0)
        goto fail;
    file->fd = open(file->path,
        O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file->fd < 0) {
        err_set_errno(e, ERR_IO, errno, "could not open \"%s\"", file->path);
        goto fail;
    }
    *filep = file;
    return 0;
fail:
    drift_file_close(file);
    return -1;
}

static json_t *
show_row(const void *row, size_t len)
{
    char *text;
    json_t *value;

    if (row == NULL)
        return json_null();
    text = alloc_bytes(DRIFT_SHOWN_MAX);
    value_show(row, len, text, DRIFT_SHOWN_MAX);
    value = json_text(text);
    free(text);
    return value;
}

static void
write_lines(struct drift_file *file)
{
    if (file->lines.len == 0 || file->failed.code != ERR_NONE)
        return;
    if (file_write_all(file->fd, file->lines.data, file->lines.len,
            &file->failed) != 0)
        err_wrap(&file->failed, "could not keep drifted rows");
    file->written = true;
    buf_clear(&file->lines);
}

void
drift_file_add(struct drift_file *file, const char *table, const void *key,
    size_t key_len, const void *found, size_t found_len, const void *expected,
    size_t expected_len, const char *cause)
{
    json_t *line = json_object();
    char *text;

    json_object_set_new(line, "time", json_time(clock_utc_ms()));
    json_object_set_new(line, "dataset", json_text(file->dataset));
    json_object_set_new(line, "table", json_text(table));
    json_object_set_new(line, "key", show_row(key, key_len));
    json_object_set_new(line, "found", show_row(found, found_len));
    json_object_set_new(line, "expected", show_row(expected, expected_len));
    json_object_set_new(line, "cause", json_text(cause));
    text = json_write(line);
    buf_printf(&file->lines, "%s\n", text);
    free(text);
    json_decref(line);
    if (file->lines.len >= DRIFT_GATHERED)
        write_lines(file);
}

int
drift_file_commit(struct drift_file *file, struct err *e)
{
    write_lines(file);
    if (file->failed.code != ERR_NONE) {
        *e = file->failed;
        return -1;
    }
    if (!file->written)
        return 0;
    if (fsync(file->fd) != 0)
        return err_set_errno(e, ERR_IO, errno, "could not sync \"%s\"",
            file->path);
    file->written = false;
    return file_sync_folder(file->work_dir, e);
}

void
drift_file_close(struct drift_file *file)
{
    if (file == NULL)
        return;
    if (file->fd >= 0)
        close(file->fd);
    buf_release(&file->lines);
    free(file->path);
    free(file->work_dir);
    free(file->dataset);
    free(file);
}

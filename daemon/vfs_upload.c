/*
 * An upload is a file of its own beside the dataset's, written on a thread; its
 * name goes when the handle does.
 */
#include "daemon/vfs_upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "daemon/datasets.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/fleet.h"

#define UPLOAD_MAX ((uint64_t)1 << 40)
/* Others need some of the disk too. */
#define DISK_LEAST ((uint64_t)64 * 1024 * 1024)

struct upload_file {
    struct vfs_file file;
    struct dataset *ds;
    struct strand *strand;
    char *path;
    int fd;
    uint64_t size;
    struct err failed; /* of the first write that failed */
};

struct write_job {
    struct upload_file *file;
    uint32_t tag;
    uint64_t offset;
    struct buf data;
    struct err error;
};

struct install_job {
    struct upload_file *file;
    uint32_t tag;
};

static int
write_at(struct upload_file *file, struct write_job *job, struct err *e)
{
    uint64_t bytes_free;
    size_t done = 0;

    if (file_free_bytes(file->ds->work_dir, &bytes_free, e) != 0)
        return -1;
    if (bytes_free < DISK_LEAST + job->data.len)
        return err_set(e, ERR_NO_SPACE, "too little disk is free here");
    while (done < job->data.len) {
        ssize_t n = pwrite(file->fd, job->data.data + done,
            job->data.len - done, (off_t)(job->offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set_errno(e, ERR_IO, errno, "could not write");
        done += (size_t)n;
    }
    return 0;
}

static void
write_work(void *arg)
{
    struct write_job *job = arg;

    write_at(job->file, job, &job->error);
}

static void
write_done(void *arg, bool cancelled)
{
    struct write_job *job = arg;
    struct upload_file *file = job->file;

    if (cancelled)
        err_set(&job->error, ERR_CANCELLED, "lockstepd is stopping");
    if (job->error.code == ERR_NONE) {
        vfs_reply_ok(file->file.session, job->tag);
    } else {
        if (file->failed.code == ERR_NONE)
            file->failed = job->error;
        vfs_reply_error(file->file.session, job->tag, &job->error);
    }
    buf_release(&job->data);
    vfs_file_release(&file->file);
    free(job);
}

static void
upload_write(struct vfs_file *f, uint32_t tag, uint64_t offset,
    const void *data, size_t len)
{
    struct upload_file *file = (struct upload_file *)f;
    struct write_job *job;

    if (offset > UPLOAD_MAX || len > UPLOAD_MAX - offset) {
        vfs_reply_status(f->session, tag, SFTP_FAILURE,
            "INVALID: the file is too large");
        return;
    }
    if (offset + len > file->size)
        file->size = offset + len;
    job = alloc_zeroed(1, sizeof(*job));
    job->file = file;
    job->tag = tag;
    job->offset = offset;
    buf_put(&job->data, data, len);
    vfs_file_hold(f);
    strand_run(file->strand, write_work, write_done, job);
}

static void
upload_stat(struct vfs_file *f, uint32_t tag)
{
    struct fxp_attrs attrs = { .mode = S_IFREG | 0600,
        .size = ((struct upload_file *)f)->size,
        .mtime_s = (uint32_t)(clock_utc_ms() / 1000) };

    vfs_reply_attrs(f->session, tag, &attrs);
}

static int
install_work(struct dataset *ds, void *arg, struct err *e)
{
    const struct install_job *job = arg;

    return snapshot_install(ds, job->file->path, e);
}

static void
install_done(struct dataset *ds, void *arg, const struct err *e)
{
    struct install_job *job = arg;
    struct upload_file *file = job->file;
    const struct vfs_session *s = file->file.session;

    if (e->code == ERR_NONE) {
        events_add(ds->engine->events, "info", "installed", NULL, ds->name,
            "snapshot.db was replaced by %s: revision %llu", s->who,
            (unsigned long long)ds->view.state.revision);
        if (ds->engine->fleet != NULL)
            fleet_changed(ds->engine->fleet, ds->name);
        vfs_reply_ok(file->file.session, job->tag);
    } else {
        events_add(ds->engine->events, "warning", "install-refused", NULL,
            ds->name, "the snapshot.db of %s was refused: %s", s->who,
            e->message);
        vfs_reply_error(file->file.session, job->tag, e);
    }
    vfs_file_release(&file->file);
    free(job);
}

/* The strand's last job: every write before it is done. */
static void
nothing(void *arg)
{
    (void)arg;
}

static void
written(void *arg, bool cancelled)
{
    struct install_job *job = arg;
    struct upload_file *file = job->file;
    struct err e = file->failed;

    if (cancelled)
        err_set(&e, ERR_CANCELLED, "lockstepd is stopping");
    if (e.code == ERR_NONE && file->size > 0) {
        dataset_run_on(file->ds, DATASET_SOURCE,
            &(struct dataset_job){ .work = install_work,
                .done = install_done,
                .arg = job });
        return;
    }
    if (e.code == ERR_NONE) /* opened and closed: nothing was meant */
        vfs_reply_ok(file->file.session, job->tag);
    else
        vfs_reply_error(file->file.session, job->tag, &e);
    vfs_file_release(&file->file);
    free(job);
}

static void
upload_close(struct vfs_file *f, uint32_t tag)
{
    struct install_job *job = alloc_zeroed(1, sizeof(*job));

    job->file = (struct upload_file *)f;
    job->tag = tag;
    vfs_file_hold(f);
    strand_run(job->file->strand, nothing, written, job);
}

static void
remove_upload(const char *path)
{
    static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
    size_t i;

    for (i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        char *name = alloc_format("%s%s", path, suffixes[i]);

        unlink(name);
        free(name);
    }
}

static void
upload_release(struct vfs_file *f)
{
    struct upload_file *file = (struct upload_file *)f;

    strand_free(file->strand);
    if (file->fd != -1)
        close(file->fd);
    remove_upload(file->path);
    free(file->path);
}

static const struct vfs_file_type upload_type = { .write = upload_write,
    .stat = upload_stat,
    .close = upload_close,
    .release = upload_release };

void
vfs_upload_open(struct vfs_session *s, struct dataset *ds, uint32_t tag,
    uint32_t flags)
{
    const struct node *node = &s->vfs->engine->node;
    struct upload_file *file;
    struct err e = ERR_INIT;
    uint8_t random[8];
    char hex[2 * sizeof(random) + 1];

    if (node->role == NODE_SECONDARY) {
        err_set(&e, ERR_NOT_PRIMARY, "\"%s\" is written on the primary, \"%s\"",
            ds->name, node->primary_name);
        vfs_reply_error(s, tag, &e);
        return;
    }
    file = vfs_file_new(sizeof(*file), &upload_type, s, flags);
    file->ds = ds;
    file->strand = strand_new(s->vfs->engine->loop);
    random_bytes(random, sizeof(random));
    hex_encode(random, sizeof(random), hex);
    file->path = alloc_format("%s/upload-%s.db", ds->work_dir, hex);
    file->fd = open(file->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file->fd == -1) {
        err_set_errno(&e, ERR_IO, errno, "could not create a file");
        vfs_reply_error(s, tag, &e);
        vfs_file_release(&file->file);
        return;
    }
    vfs_file_install(&file->file, tag);
}

/*
 * Reading /datasets/NAME/snapshot.db: one revision, pinned when STAT or OPEN
 * asks for it.  A STAT keeps its pin for the OPEN that follows, so that the
 * size it told stays true.  Writing is vfs_upload.c's.
 */
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
#include "daemon/vfs_internal.h"
#include "daemon/vfs_upload.h"

#define PIN_MS 10000

/* On a source an image of the published copy; on a replica a copy of the live
 * database, in a file without a name. */
struct snapshot_pin {
    struct dataset *ds;
    struct image *image;
    int fd;
    uint64_t size;
    uint32_t mtime_s;
    int64_t made_ms;
};

struct snapshot_file {
    struct vfs_file file;
    struct snapshot_pin *pin;
    struct strand *strand;
};

/* A request that waits for a pin. */
struct pin_job {
    struct vfs_session *session;
    struct snapshot_pin *pin;
    uint32_t tag;
    uint32_t flags;
    bool opens; /* else STAT */
};

/* One READ. */
struct read_job {
    struct snapshot_file *file;
    uint32_t tag;
    uint64_t offset;
    uint32_t length;
    struct buf data;
    struct err error;
};

static void
pin_free(struct snapshot_pin *pin)
{
    if (pin == NULL)
        return;
    image_close(pin->image);
    if (pin->fd != -1)
        close(pin->fd);
    free(pin);
}

static int
copy_replica(struct dataset *ds, struct snapshot_pin *pin, struct err *e)
{
    uint8_t random[8];
    char hex[2 * sizeof(random) + 1];
    struct stat st;
    char *path;
    int r = -1;

    random_bytes(random, sizeof(random));
    hex_encode(random, sizeof(random), hex);
    path = alloc_format("%s/snapshot-%s.db", ds->work_dir, hex);
    if (replica_copy(ds->replica, path, e) != 0)
        goto out;
    pin->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (pin->fd == -1 || fstat(pin->fd, &st) != 0) {
        err_set_errno(e, ERR_IO, errno, "could not read the copy");
        goto out;
    }
    pin->size = (uint64_t)st.st_size;
    r = 0;
out:
    unlink(path);
    free(path);
    return r;
}

static int
pin_work(struct dataset *ds, void *arg, struct err *e)
{
    struct snapshot_pin *pin = ((struct pin_job *)arg)->pin;

    if (ds->source == NULL)
        return copy_replica(ds, pin, e);
    if (source_image_open(ds->source, &pin->image, e) != 0)
        return -1;
    pin->size = image_size(pin->image);
    return 0;
}

static void
read_work(void *arg)
{
    struct read_job *job = arg;
    const struct snapshot_pin *pin = job->file->pin;
    uint8_t *to = buf_reserve(&job->data, job->length);
    size_t got = 0;
    ssize_t n;

    if (pin->image != NULL) {
        if (image_read(pin->image, job->offset, to, job->length, &got,
                &job->error) != 0)
            return;
    } else {
        n = pread(pin->fd, to, job->length, (off_t)job->offset);
        if (n < 0) {
            err_set_errno(&job->error, ERR_IO, errno,
                "could not read the copy");
            return;
        }
        got = (size_t)n;
    }
    job->data.len = got;
}

static void
read_done(void *arg, bool cancelled)
{
    struct read_job *job = arg;
    struct vfs_session *s = job->file->file.session;

    if (cancelled)
        err_set(&job->error, ERR_CANCELLED, "lockstepd is stopping");
    if (job->error.code != ERR_NONE)
        vfs_reply_error(s, job->tag, &job->error);
    else if (job->data.len == 0)
        vfs_reply_status(s, job->tag, SFTP_EOF, "");
    else
        vfs_reply_data(s, job->tag, job->data.data, job->data.len);
    buf_release(&job->data);
    vfs_file_release(&job->file->file);
    free(job);
}

static void
snapshot_read(struct vfs_file *f, uint32_t tag, uint64_t offset,
    uint32_t length)
{
    struct snapshot_file *file = (struct snapshot_file *)f;
    struct read_job *job;

    if (offset >= file->pin->size) {
        vfs_reply_status(f->session, tag, SFTP_EOF, "");
        return;
    }
    job = alloc_zeroed(1, sizeof(*job));
    job->file = file;
    job->tag = tag;
    job->offset = offset;
    job->length = length;
    vfs_file_hold(f);
    strand_run(file->strand, read_work, read_done, job);
}

static void
fill_attrs(const struct snapshot_pin *pin, struct fxp_attrs *attrs)
{
    attrs->size = pin->size;
    attrs->mtime_s = pin->mtime_s;
}

static void
snapshot_stat(struct vfs_file *f, uint32_t tag)
{
    struct fxp_attrs attrs = { .mode = S_IFREG | 0400 };

    fill_attrs(((struct snapshot_file *)f)->pin, &attrs);
    vfs_reply_attrs(f->session, tag, &attrs);
}

static void
snapshot_release(struct vfs_file *f)
{
    struct snapshot_file *file = (struct snapshot_file *)f;

    strand_free(file->strand);
    pin_free(file->pin);
}

static const struct vfs_file_type snapshot_type = { .read = snapshot_read,
    .stat = snapshot_stat,
    .release = snapshot_release };

static void
install(struct vfs_session *s, struct snapshot_pin *pin, uint32_t tag,
    uint32_t flags)
{
    struct snapshot_file *file =
        vfs_file_new(sizeof(*file), &snapshot_type, s, flags);

    file->pin = pin;
    file->strand = strand_new(s->vfs->engine->loop);
    vfs_file_install(&file->file, tag);
}

static void
answer_stat(struct vfs_session *s, const struct snapshot_pin *pin, uint32_t tag)
{
    struct fxp_attrs attrs = { .mode = S_IFREG | 0600 };

    fill_attrs(pin, &attrs);
    vfs_reply_attrs(s, tag, &attrs);
}

static void
pin_done(struct dataset *ds, void *arg, const struct err *e)
{
    struct pin_job *job = arg;
    struct vfs_session *s = job->session;
    struct snapshot_pin *pin = job->pin;

    if (e->code != ERR_NONE) {
        pin_free(pin);
        vfs_reply_error(s, job->tag, e);
    } else if (s->closed) {
        pin_free(pin);
    } else {
        pin->mtime_s = (uint32_t)(ds->view.state.changed_ms / 1000);
        pin->made_ms = clock_mono_ms();
        if (job->opens) {
            install(s, pin, job->tag, job->flags);
        } else {
            pin_free(s->pin);
            s->pin = pin;
            answer_stat(s, pin, job->tag);
        }
    }
    vfs_session_release(s);
    free(job);
}

/* What is a secret goes to servers, by the other file, and to nobody else. */
static bool
refuse_secret(struct vfs_session *s, const struct dataset *ds, uint32_t tag)
{
    struct err e = ERR_INIT;

    if (!settings_all_secret(&s->vfs->engine->settings, ds->name))
        return false;
    err_set(&e, ERR_PERMISSION, "dataset \"%s\" is a secret", ds->name);
    err_hint(&e, "Its section has \"secrets = *\"; look at the file on the "
                 "node itself.");
    vfs_reply_error(s, tag, &e);
    return true;
}

static void
start_pin(struct vfs_session *s, struct dataset *ds, uint32_t tag,
    uint32_t flags, bool opens)
{
    struct pin_job *job = alloc_zeroed(1, sizeof(*job));

    job->session = s;
    job->tag = tag;
    job->flags = flags;
    job->opens = opens;
    job->pin = alloc_zeroed(1, sizeof(*job->pin));
    job->pin->ds = ds;
    job->pin->fd = -1;
    vfs_session_hold(s);
    dataset_run(ds, &(struct dataset_job){ .work = pin_work,
                        .done = pin_done,
                        .arg = job });
}

static bool
pin_is_fresh(const struct snapshot_pin *pin, const struct dataset *ds)
{
    return pin != NULL && pin->ds == ds &&
           clock_mono_ms() - pin->made_ms < PIN_MS;
}

void
vfs_snapshot_open(struct vfs_session *s, struct dataset *ds, uint32_t tag,
    uint32_t flags)
{
    struct snapshot_pin *pin = s->pin;

    if ((flags & (SFTP_OPEN_WRITE | SFTP_OPEN_APPEND)) != 0) {
        vfs_upload_open(s, ds, tag, flags);
    } else if (refuse_secret(s, ds, tag)) {
        return;
    } else if (pin_is_fresh(pin, ds)) {
        s->pin = NULL;
        install(s, pin, tag, flags);
    } else {
        start_pin(s, ds, tag, flags, true);
    }
}

void
vfs_snapshot_stat(struct vfs_session *s, struct dataset *ds, uint32_t tag)
{
    if (refuse_secret(s, ds, tag))
        return;
    if (pin_is_fresh(s->pin, ds))
        answer_stat(s, s->pin, tag);
    else
        start_pin(s, ds, tag, 0, false);
}

void
vfs_snapshot_attributes(struct vfs_session *s, struct dataset *ds,
    struct fxp_attrs *attrs)
{
    (void)s;
    attrs->size = ds->view.bytes;
    attrs->mtime_s = (uint32_t)(ds->view.state.changed_ms / 1000);
}

void
snapshot_session_end(struct vfs_session *s)
{
    pin_free(s->pin);
    s->pin = NULL;
}

/*
 * /events.jsonl: reading never waits.  A handle keeps its file when a new one
 * begins; a follower sees by FSTAT that it does not grow any more, and opens
 * again.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/vfs_internal.h"

struct events_file {
    struct vfs_file file;
    int fd;
};

static void
events_read(struct vfs_file *f, uint32_t tag, uint64_t offset, uint32_t length)
{
    const struct events_file *file = (struct events_file *)f;
    struct buf text = BUF_INIT;
    ssize_t got = -1;

    if (offset <= INT64_MAX)
        got =
            pread(file->fd, buf_reserve(&text, length), length, (off_t)offset);
    if (got > 0)
        vfs_reply_data(f->session, tag, text.data, (size_t)got);
    else if (got == 0)
        vfs_reply_status(f->session, tag, SFTP_EOF, "");
    else
        vfs_reply_status(f->session, tag, SFTP_FAILURE,
            "IO: could not read the events");
    buf_release(&text);
}

static void
events_stat(struct vfs_file *f, uint32_t tag)
{
    const struct events_file *file = (struct events_file *)f;
    struct fxp_attrs attrs = { .mode = S_IFREG | 0400 };
    struct stat st;

    if (fstat(file->fd, &st) == 0) {
        attrs.size = (uint64_t)st.st_size;
        attrs.mtime_s = (uint32_t)st.st_mtime;
    }
    vfs_reply_attrs(f->session, tag, &attrs);
}

static void
events_release(struct vfs_file *f)
{
    close(((struct events_file *)f)->fd);
}

static const struct vfs_file_type events_type = { .read = events_read,
    .stat = events_stat,
    .release = events_release };

void
vfs_events_open(struct vfs_session *s, struct dataset *ds, uint32_t tag,
    uint32_t flags)
{
    struct events_file *file;
    struct err e = ERR_INIT;
    int fd;

    (void)ds;
    if (events_reader(s->vfs->engine->events, &fd, &e) != 0) {
        vfs_reply_error(s, tag, &e);
        return;
    }
    file = vfs_file_new(sizeof(*file), &events_type, s, flags);
    file->fd = fd;
    vfs_file_install(&file->file, tag);
}

void
vfs_events_attributes(struct vfs_session *s, struct dataset *ds,
    struct fxp_attrs *attrs)
{
    (void)ds;
    attrs->size = events_size(s->vfs->engine->events);
}

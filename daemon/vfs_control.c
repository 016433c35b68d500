/*
 * /control: gathers a request, runs it at the first READ or at CLOSE, and hands
 * out the answer as it grows.  A READ beyond what exists waits; nothing else
 * does.  The last answer of a session outlives its handle, for clients that
 * write with one handle and read with the next.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "daemon/control.h"
#include "daemon/engine.h"
#include "daemon/vfs_internal.h"

#define REQUEST_MAX ((size_t)64 * 1024)
#define WAITING_MAX 128
/* So much of an answer may be made ahead of its reader; what lies further back
 * than that is dropped. */
#define AHEAD_MAX ((uint64_t)1024 * 1024)

struct waiting_read {
    uint32_t tag;
    uint64_t offset;
    uint32_t length;
};

/* One answer: held by the session, by handles, and by the running command. */
struct control_reply {
    unsigned references;
    struct vfs_session *session; /* perhaps closed: then nobody listens */
    struct buf lines;
    uint64_t dropped;          /* bytes of the answer before LINES */
    uint64_t read_to;          /* the furthest that was asked for */
    struct control_call *call; /* NULL when it has finished */
    bool finished;
    uint32_t mtime_s;
    struct waiting_read waiting[WAITING_MAX];
    size_t waiting_count;
};

struct control_file {
    struct vfs_file file;
    struct buf request;
    struct control_reply *reply; /* NULL until the request runs */
};

static uint64_t
reply_length(const struct control_reply *r)
{
    return r->dropped + r->lines.len;
}

/* Without a reader, nothing is kept waiting. */
static bool
reply_has_room(void *ctx)
{
    const struct control_reply *r = ctx;

    return r->session->closed || r->references == 1 ||
           reply_length(r) < r->read_to + AHEAD_MAX;
}

/* Lets a command go on that waits for its reader. */
static void
reply_go_on(struct control_reply *r)
{
    if (r->call != NULL && reply_has_room(r))
        control_call_ready(r->call);
}

static void
reply_release(struct control_reply *r)
{
    if (r == NULL)
        return;
    if (--r->references > 0) {
        reply_go_on(r);
        return;
    }
    vfs_session_release(r->session);
    buf_release(&r->lines);
    free(r);
}

static void
reply_slice(struct control_reply *r, const struct waiting_read *w)
{
    if (w->offset < r->dropped)
        vfs_reply_status(r->session, w->tag, SFTP_FAILURE,
            "INVALID: this part of a long answer was read already");
    else
        vfs_reply_slice(r->session, w->tag, &r->lines, w->offset - r->dropped,
            w->length);
}

/* Of a long answer, only what was not read yet and a little before it is
 * kept. */
static void
drop_read(struct control_reply *r)
{
    uint64_t read = r->read_to < reply_length(r) ? r->read_to : reply_length(r);

    if (read < r->dropped + 2 * AHEAD_MAX)
        return;
    buf_consume(&r->lines, (size_t)(read - AHEAD_MAX - r->dropped));
    r->dropped = read - AHEAD_MAX;
}

/* Answers the reads that can be answered now. */
static void
serve_waiting(struct control_reply *r)
{
    size_t kept = 0;
    size_t i;

    for (i = 0; i < r->waiting_count; i++) {
        struct waiting_read w = r->waiting[i];

        if (w.offset >= reply_length(r) && !r->finished)
            r->waiting[kept++] = w;
        else
            reply_slice(r, &w);
    }
    r->waiting_count = kept;
    drop_read(r);
}

static void
take_line(void *ctx, const char *line, size_t len, bool last)
{
    struct control_reply *r = ctx;

    /* A command goes on without its reader. */
    if (!r->session->closed)
        buf_put(&r->lines, line, len);
    r->finished = last;
    if (last)
        r->call = NULL;
    r->mtime_s = (uint32_t)(clock_utc_ms() / 1000);
    serve_waiting(r);
    if (last)
        reply_release(r);
}

static void
run(struct control_file *file)
{
    struct vfs_session *s = file->file.session;
    struct control_reply *r = alloc_zeroed(1, sizeof(*r));

    r->references = 3; /* the session, the handle, the command */
    r->session = s;
    vfs_session_hold(s);
    r->mtime_s = (uint32_t)(clock_utc_ms() / 1000);
    reply_release(s->last_reply);
    s->last_reply = r;
    file->reply = r;
    r->call = control_run(s->vfs->engine, s->role, s->who,
        (const char *)file->request.data, file->request.len, take_line, r);
    if (r->call != NULL)
        control_call_limit(r->call, reply_has_room);
    if (file->request.data != NULL)
        explicit_bzero(file->request.data, file->request.len);
    buf_clear(&file->request);
}

static void
control_read(struct vfs_file *f, uint32_t tag, uint64_t offset, uint32_t length)
{
    const struct waiting_read w = { tag, offset, length };
    struct control_file *file = (struct control_file *)f;
    struct control_reply *r;

    if (file->reply == NULL && file->request.len > 0)
        run(file);
    r = file->reply;
    if (r == NULL) {
        vfs_reply_status(f->session, tag, SFTP_EOF, "");
        return;
    }
    if (offset + length > r->read_to && offset <= reply_length(r))
        r->read_to = offset + length;
    if (offset < reply_length(r) || r->finished) {
        reply_slice(r, &w);
        drop_read(r);
    } else if (r->waiting_count == WAITING_MAX) {
        vfs_reply_status(f->session, tag, SFTP_FAILURE,
            "BUSY: too many reads are waiting");
    } else {
        r->waiting[r->waiting_count++] = w;
    }
    reply_go_on(r);
}

static void
control_write(struct vfs_file *f, uint32_t tag, uint64_t offset,
    const void *data, size_t len)
{
    struct control_file *file = (struct control_file *)f;
    struct err e = ERR_INIT;

    if (file->reply != NULL)
        err_set(&e, ERR_PROTOCOL, "the request runs already");
    else if (offset != file->request.len)
        err_set(&e, ERR_PROTOCOL,
            "a request is written from its beginning to "
            "its end");
    else if (len > REQUEST_MAX - file->request.len)
        err_set(&e, ERR_INVALID, "a request has at most 64 KiB");
    if (e.code != ERR_NONE) {
        vfs_reply_error(f->session, tag, &e);
        return;
    }
    buf_put(&file->request, data, len);
    vfs_reply_ok(f->session, tag);
}

static void
control_stat(struct vfs_file *f, uint32_t tag)
{
    const struct control_file *file = (struct control_file *)f;
    struct fxp_attrs attrs = { .mode = S_IFREG | 0600,
        .size = file->request.len,
        .mtime_s = (uint32_t)(clock_utc_ms() / 1000) };

    if (file->reply != NULL) {
        attrs.size = reply_length(file->reply);
        attrs.mtime_s = file->reply->mtime_s;
    }
    vfs_reply_attrs(f->session, tag, &attrs);
}

static void
control_close(struct vfs_file *f, uint32_t tag)
{
    struct control_file *file = (struct control_file *)f;

    if (file->reply == NULL && file->request.len > 0)
        run(file);
    vfs_reply_ok(f->session, tag);
}

static void
control_release(struct vfs_file *f)
{
    struct control_file *file = (struct control_file *)f;

    if (file->request.data != NULL)
        explicit_bzero(file->request.data, file->request.cap);
    buf_release(&file->request);
    reply_release(file->reply);
}

static const struct vfs_file_type control_type = { .read = control_read,
    .write = control_write,
    .stat = control_stat,
    .close = control_close,
    .release = control_release };

void
vfs_control_open(struct vfs_session *s, struct dataset *ds, uint32_t tag,
    uint32_t flags)
{
    struct control_file *file =
        vfs_file_new(sizeof(*file), &control_type, s, flags);

    (void)ds;
    /* Who only reads gets the last answer. */
    if (!file->file.writable && s->last_reply != NULL) {
        file->reply = s->last_reply;
        file->reply->references++;
    }
    vfs_file_install(&file->file, tag);
}

void
vfs_control_attributes(struct vfs_session *s, struct dataset *ds,
    struct fxp_attrs *attrs)
{
    (void)ds;
    if (s->last_reply == NULL)
        return;
    attrs->size = reply_length(s->last_reply);
    attrs->mtime_s = s->last_reply->mtime_s;
}

void
control_session_end(struct vfs_session *s)
{
    struct control_reply *r = s->last_reply;

    s->last_reply = NULL;
    reply_release(r);
}

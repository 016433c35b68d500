/*
 * What each type of request does: one table from type to handler, which is
 * also the policy.  The tree cannot be changed by names, so REMOVE, RENAME,
 * MKDIR, RMDIR and SYMLINK have one handler, a refusal.
 */
#include "admin-proto/sftp_server_state.h"

#include <assert.h>
#include <string.h>

typedef void handler_fn(struct fxp_server *s, const struct fxp_packet *p);

static void
refuse(struct fxp_server *s, const struct fxp_packet *p, enum fxp_status status,
    const char *text)
{
    fxp_put_status(&s->out, p->id, status, text);
}

/* The caller's path, cleaned; answers and returns false when there is none. */
static bool
take_path(struct fxp_server *s, const struct fxp_packet *p,
    char path[SFTP_PATH_MAX])
{
    if (!fxp_path_escapes(p->path, p->path_len) &&
        fxp_clean_path(p->path, p->path_len, path))
        return true;
    refuse(s, p, SFTP_NO_SUCH_FILE, "invalid path");
    return false;
}

static struct slot *
find_slot(struct fxp_server *s, const struct fxp_packet *p)
{
    struct reader r = reader_over(p->handle, p->handle_len);
    uint32_t number = reader_u32(&r);
    struct slot *slot = &s->slots[number % SFTP_MAX_HANDLES];

    if (!reader_done(&r) || slot->generation != number / SFTP_MAX_HANDLES)
        return NULL;
    return slot;
}

/* The slot in STATE of the request's handle; answers and returns NULL when
 * there is none. */
static struct slot *
take_slot(struct fxp_server *s, const struct fxp_packet *p,
    enum slot_state state)
{
    struct slot *slot = find_slot(s, p);

    if (slot != NULL && slot->state == state)
        return slot;
    refuse(s, p, SFTP_FAILURE, "invalid handle");
    return NULL;
}

static struct slot *
reserve_slot(struct fxp_server *s, const struct fxp_packet *p)
{
    struct slot *slot;

    for (slot = s->slots; slot < s->slots + SFTP_MAX_HANDLES; slot++) {
        if (slot->state != SLOT_FREE)
            continue;
        slot->state = SLOT_OPENING;
        slot->generation =
            (slot->generation + 1) % (UINT32_MAX / SFTP_MAX_HANDLES);
        return slot;
    }
    refuse(s, p, SFTP_FAILURE, "too many open handles");
    return NULL;
}

/* Notes that the backend will owe an answer to P; returns the tag. */
static uint32_t
owe(struct fxp_server *s, const struct fxp_packet *p, struct slot *slot,
    uint32_t length)
{
    struct pending *q = s->pending;

    /* The loop over packets stops while all are taken. */
    assert(s->pending_count < SFTP_MAX_PENDING);
    while (q->used)
        q++;
    q->used = true;
    q->generation = (q->generation + 1) % (UINT32_MAX / SFTP_MAX_PENDING);
    q->type = p->type;
    q->id = p->id;
    q->slot = slot;
    q->length = length;
    s->pending_count++;
    return q->generation * SFTP_MAX_PENDING + (uint32_t)(q - s->pending);
}

static void
serve_open(struct fxp_server *s, const struct fxp_packet *p)
{
    char path[SFTP_PATH_MAX];
    struct slot *slot;

    if (!take_path(s, p, path))
        return;
    slot = reserve_slot(s, p);
    if (slot == NULL)
        return;
    s->backend->open(s->ctx, owe(s, p, slot, 0), path, p->open_flags);
}

static void
serve_opendir(struct fxp_server *s, const struct fxp_packet *p)
{
    char path[SFTP_PATH_MAX];
    struct slot *slot;

    if (!take_path(s, p, path))
        return;
    slot = reserve_slot(s, p);
    if (slot == NULL)
        return;
    s->backend->list(s->ctx, owe(s, p, slot, 0), path);
}

static void
serve_readdir(struct fxp_server *s, const struct fxp_packet *p)
{
    struct slot *slot = take_slot(s, p, SLOT_FOLDER);

    if (slot != NULL && !fxp_listing_next(&slot->listing, &s->out, p->id))
        refuse(s, p, SFTP_EOF, "end of folder");
}

static void
serve_close(struct fxp_server *s, const struct fxp_packet *p)
{
    struct slot *slot = find_slot(s, p);

    if (slot != NULL && slot->state == SLOT_FOLDER) {
        fxp_listing_release(&slot->listing);
        slot->state = SLOT_FREE;
        refuse(s, p, SFTP_OK, "");
        return;
    }
    slot = take_slot(s, p, SLOT_FILE);
    if (slot == NULL)
        return;
    slot->state = SLOT_CLOSING;
    s->backend->close(s->ctx, owe(s, p, slot, 0), slot->handle);
}

static void
serve_read(struct fxp_server *s, const struct fxp_packet *p)
{
    struct slot *slot = take_slot(s, p, SLOT_FILE);
    uint32_t length = p->length < SFTP_DATA_MAX ? p->length : SFTP_DATA_MAX;

    if (slot != NULL)
        s->backend->read(s->ctx, owe(s, p, NULL, length), slot->handle,
            p->offset, length);
}

static void
serve_write(struct fxp_server *s, const struct fxp_packet *p)
{
    struct slot *slot = take_slot(s, p, SLOT_FILE);

    if (slot != NULL)
        s->backend->write(s->ctx, owe(s, p, NULL, 0), slot->handle, p->offset,
            p->data, p->data_len);
}

static void
serve_stat(struct fxp_server *s, const struct fxp_packet *p)
{
    char path[SFTP_PATH_MAX];

    if (take_path(s, p, path))
        s->backend->stat(s->ctx, owe(s, p, NULL, 0), path);
}

static void
serve_fstat(struct fxp_server *s, const struct fxp_packet *p)
{
    struct slot *slot = find_slot(s, p);

    if (slot != NULL && slot->state == SLOT_FOLDER) {
        fxp_put_attrs(&s->out, p->id, &slot->listing.self);
        return;
    }
    slot = take_slot(s, p, SLOT_FILE);
    if (slot != NULL)
        s->backend->fstat(s->ctx, owe(s, p, NULL, 0), slot->handle);
}

static void
serve_setstat(struct fxp_server *s, const struct fxp_packet *p)
{
    char path[SFTP_PATH_MAX];

    if (take_path(s, p, path))
        s->backend->setstat(s->ctx, owe(s, p, NULL, 0), path);
}

static void
serve_fsetstat(struct fxp_server *s, const struct fxp_packet *p)
{
    struct slot *slot = take_slot(s, p, SLOT_FILE);

    if (slot != NULL)
        s->backend->sync(s->ctx, owe(s, p, NULL, 0), slot->handle);
}

static void
serve_realpath(struct fxp_server *s, const struct fxp_packet *p)
{
    char path[SFTP_PATH_MAX];
    size_t begin;

    if (!fxp_clean_path(p->path, p->path_len, path)) {
        refuse(s, p, SFTP_NO_SUCH_FILE, "invalid path");
        return;
    }
    begin = fxp_begin_names(&s->out, p->id);
    fxp_put_name(&s->out, path, path, NULL);
    fxp_end_names(&s->out, begin, 1);
}

static void
serve_readlink(struct fxp_server *s, const struct fxp_packet *p)
{
    refuse(s, p, SFTP_NO_SUCH_FILE, "there are no links here");
}

static void
serve_change_of_tree(struct fxp_server *s, const struct fxp_packet *p)
{
    refuse(s, p, SFTP_PERMISSION_DENIED,
        "files here cannot be made, renamed or removed");
}

static void
serve_limits(struct fxp_server *s, const struct fxp_packet *p)
{
    fxp_put_limits(&s->out, p->id);
}

static void
serve_fsync(struct fxp_server *s, const struct fxp_packet *p)
{
    struct fxp_packet q = *p;
    struct reader r = reader_over(p->data, p->data_len);

    q.handle = reader_bytes(&r, SFTP_HANDLE_MAX, &q.handle_len);
    if (r.failed)
        refuse(s, p, SFTP_BAD_MESSAGE, "fsync without a handle");
    else
        serve_fsetstat(s, &q);
}

static const struct {
    const char *name;
    handler_fn *serve;
} extensions[] = {
    { SFTP_EXT_LIMITS, serve_limits },
    { SFTP_EXT_FSYNC, serve_fsync },
};

static void
serve_unsupported(struct fxp_server *s, const struct fxp_packet *p)
{
    refuse(s, p, SFTP_OP_UNSUPPORTED, "unsupported request");
}

static void
serve_extended(struct fxp_server *s, const struct fxp_packet *p)
{
    size_t i;

    for (i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
        if (p->text_len == strlen(extensions[i].name) &&
            memcmp(p->text, extensions[i].name, p->text_len) == 0) {
            extensions[i].serve(s, p);
            return;
        }
    }
    serve_unsupported(s, p);
}

static handler_fn *const handlers[] = {
    [SFTP_OPEN] = serve_open,
    [SFTP_CLOSE] = serve_close,
    [SFTP_READ] = serve_read,
    [SFTP_WRITE] = serve_write,
    [SFTP_LSTAT] = serve_stat,
    [SFTP_FSTAT] = serve_fstat,
    [SFTP_SETSTAT] = serve_setstat,
    [SFTP_FSETSTAT] = serve_fsetstat,
    [SFTP_OPENDIR] = serve_opendir,
    [SFTP_READDIR] = serve_readdir,
    [SFTP_REMOVE] = serve_change_of_tree,
    [SFTP_MKDIR] = serve_change_of_tree,
    [SFTP_RMDIR] = serve_change_of_tree,
    [SFTP_REALPATH] = serve_realpath,
    [SFTP_STAT] = serve_stat,
    [SFTP_RENAME] = serve_change_of_tree,
    [SFTP_READLINK] = serve_readlink,
    [SFTP_SYMLINK] = serve_change_of_tree,
    [SFTP_EXTENDED] = serve_extended,
};

void
fxp_server_serve(struct fxp_server *s, const struct fxp_packet *p)
{
    handler_fn *serve = NULL;

    if (p->type < sizeof(handlers) / sizeof(handlers[0]))
        serve = handlers[p->type];
    if (serve == NULL)
        serve = serve_unsupported;
    serve(s, p);
}

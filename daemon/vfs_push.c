/*
 * /datasets/NAME/push: each WRITE is one whole frame.  Here frames are put in
 * order and refused; what they carry is for the other vfs_push files.
 */
#include "daemon/vfs_push.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/hooks.h"

/* The first bytes of a bundle, see sync/bundle.h. */
#define BUNDLE_MAGIC "LSB1"
#define BUNDLE_KIND_AT 4

void
push_refuse(struct push_file *f, uint32_t tag, unsigned generation,
    const struct err *e)
{
    if (generation == f->generation)
        f->poisoned = true;
    vfs_reply_error(f->file.session, tag, e);
}

void
push_accept(struct push_file *f, uint32_t tag)
{
    const struct vfs_session *s = f->file.session;
    struct node *node = &f->ds->engine->node;
    const struct engine *engine = f->ds->engine;
    bool primary = s->role == ROLE_PUSH;
    char text[PUSH_NOTICE_MAX];

    if (s->role == ROLE_PUSH && node->role == NODE_SECONDARY) {
        node->primary_heard_ms = clock_utc_ms();
        snprintf(node->primary_address, sizeof(node->primary_address), "%s",
            s->address);
    }
    /* The number of our newest event, which a primary collects, and what else
     * it is to ask about. */
    snprintf(text, sizeof(text), "%llu%s%s",
        (unsigned long long)events_newest(engine->events),
        primary && !hooks_all_in_effect(engine->hooks) ? " " PUSH_NOTICE_EFFECT
                                                       : "",
        primary && engine->keys.next[KEY_HOST].made ? " " PUSH_NOTICE_KEYS
                                                    : "");
    vfs_reply_status(f->file.session, tag, SFTP_OK, text);
}

bool
push_may_run(const struct push_file *f, unsigned generation, struct err *e)
{
    if (f->refused_on_strand != generation)
        return true;
    err_set(e, ERR_POISONED, "an earlier frame was refused");
    err_hint(e, "Read the facts at offset 0, and go on from what they say.");
    return false;
}

/* Whether a bundle of that kind may begin. */
static int
check_kind(const struct push_file *f, uint8_t kind, bool ordered, struct err *e)
{
    const struct dataset_view *view = &f->ds->view;
    bool mends = kind == BUNDLE_REPAIR ||
                 (kind == BUNDLE_OVERWRITE && view->replica.drifted &&
                     view->state.revision != 0);

    if (kind != BUNDLE_CHANGES && kind != BUNDLE_OVERWRITE &&
        kind != BUNDLE_REPAIR)
        return err_set(e, ERR_CORRUPT, "unknown kind of bundle %u",
            (unsigned)kind);
    if (mends && !ordered && f->ds->engine->settings.drift_hold) {
        err_set(e, ERR_HELD, "dataset \"%s\" has drifted, and drift is held",
            f->ds->name);
        err_hint(e, "Undo the change there, or run \"lockstep server "
                    "overwrite\" for it on the primary.");
        return -1;
    }
    return 0;
}

static int
begin_bundle(struct push_file *f, const struct push_frame *frame, struct err *e)
{
    uint8_t kind;

    push_overwrite_drop(f);
    buf_clear(&f->gathered);
    f->mode = PUSH_IDLE;
    if (frame->payload_len <= BUNDLE_KIND_AT ||
        memcmp(frame->payload, BUNDLE_MAGIC, BUNDLE_KIND_AT) != 0)
        return err_set(e, ERR_CORRUPT, "no bundle begins like that");
    kind = frame->payload[BUNDLE_KIND_AT];
    if (check_kind(f, kind, frame->ordered, e) != 0)
        return -1;
    f->mode = kind == BUNDLE_OVERWRITE ? PUSH_OVERWRITING : PUSH_GATHERING;
    f->bundle_id = frame->bundle_id;
    f->next_index = 0;
    return 0;
}

static int
check_order(struct push_file *f, const struct push_frame *frame, struct err *e)
{
    if (frame->index == 0)
        return begin_bundle(f, frame, e);
    if (f->mode == PUSH_IDLE || frame->bundle_id != f->bundle_id ||
        frame->index != f->next_index)
        return err_set(e, ERR_PROTOCOL, "frame %lu is out of order",
            (unsigned long)frame->index);
    return 0;
}

static int
check_frame(struct push_file *f, struct push_frame *frame, const void *data,
    size_t len, struct err *e)
{
    const struct node *node = &f->ds->engine->node;

    if (f->poisoned)
        return err_set(e, ERR_POISONED, "an earlier frame was refused");
    if (push_frame_decode(frame, data, len, e) != 0)
        return -1;
    if (node->role != NODE_SECONDARY)
        return err_set(e, ERR_ROLE, "this node is no secondary but %s",
            node_role_name(node->role));
    if (frame->kind == PUSH_HEARTBEAT)
        return 0;
    return check_order(f, frame, e);
}

static void
push_write(struct vfs_file *file, uint32_t tag, uint64_t offset,
    const void *data, size_t len)
{
    struct push_file *f = (struct push_file *)file;
    struct push_frame frame = { .kind = PUSH_BUNDLE };
    struct err e = ERR_INIT;

    (void)offset;
    if (check_frame(f, &frame, data, len, &e) != 0) {
        push_refuse(f, tag, f->generation, &e);
        return;
    }
    if (frame.kind == PUSH_HEARTBEAT) {
        push_heartbeat_frame(f, tag, &frame);
        return;
    }
    f->next_index++;
    if (f->mode == PUSH_OVERWRITING)
        push_overwrite_frame(f, tag, &frame);
    else
        push_bundle_frame(f, tag, &frame);
}

static void
push_read(struct vfs_file *file, uint32_t tag, uint64_t offset, uint32_t length)
{
    struct push_file *f = (struct push_file *)file;

    if (offset > 0) {
        vfs_reply_slice(file->session, tag, &f->facts, offset, length);
        return;
    }
    /* A new beginning: what is not complete is dropped, what was refused is
     * forgotten. */
    push_overwrite_drop(f);
    buf_clear(&f->gathered);
    f->mode = PUSH_IDLE;
    f->poisoned = false;
    f->generation++;
    push_read_facts(f, tag, length);
}

static void
push_stat(struct vfs_file *file, uint32_t tag)
{
    const struct push_file *f = (struct push_file *)file;
    struct fxp_attrs attrs = { .mode = S_IFREG | 0600,
        .size = f->facts.len,
        .mtime_s = (uint32_t)(clock_utc_ms() / 1000) };

    vfs_reply_attrs(file->session, tag, &attrs);
}

static void
push_abandon(struct vfs_file *file)
{
    push_overwrite_drop((struct push_file *)file);
}

static void
push_close(struct vfs_file *file, uint32_t tag)
{
    push_abandon(file);
    vfs_reply_ok(file->session, tag);
}

static void
push_release(struct vfs_file *file)
{
    struct push_file *f = (struct push_file *)file;

    buf_release(&f->facts);
    buf_release(&f->gathered);
}

static const struct vfs_file_type push_type = { .read = push_read,
    .write = push_write,
    .stat = push_stat,
    .close = push_close,
    .abandon = push_abandon,
    .release = push_release };

void
vfs_push_open(struct vfs_session *s, struct dataset *ds, uint32_t tag,
    uint32_t flags)
{
    struct push_file *f = vfs_file_new(sizeof(*f), &push_type, s, flags);

    f->ds = ds;
    f->generation = 1;
    f->end = &f->first;
    vfs_file_install(&f->file, tag);
}

void
vfs_push_attributes(struct vfs_session *s, struct dataset *ds,
    struct fxp_attrs *attrs)
{
    (void)s;
    attrs->mtime_s = (uint32_t)(ds->view.state.changed_ms / 1000);
}

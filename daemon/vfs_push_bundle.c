/*
 * Bundles of changes and repairs: gathered in memory, since no transaction may
 * begin before the whole bundle is here, then applied by one job.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "daemon/engine.h"
#include "daemon/equal_since.h"
#include "daemon/vfs_push.h"

#define GATHERED_MAX ((size_t)64 * 1024 * 1024)

struct apply {
    struct push_file *f;
    uint32_t tag;
    unsigned generation;
    struct buf bundle;
    bool checkpoint; /* the log is to be written back, now that it is durable */
};

static int
apply_work(struct dataset *ds, void *arg, struct err *e)
{
    struct apply *a = arg;

    if (!push_may_run(a->f, a->generation, e))
        return -1;
    push_overwrite_give_way(ds);
    if (replica_apply(ds->replica, a->bundle.data, a->bundle.len, e) == 0) {
        a->checkpoint = replica_wants_checkpoint(ds->replica);
        return 0;
    }
    a->f->refused_on_strand = a->generation;
    return -1;
}

/* A primary that was promoted brings a higher epoch with it: from now on a
 * lower one is refused, whatever the dataset. */
static void
note_epoch(struct dataset *ds)
{
    struct node *node = &ds->engine->node;
    struct err e = ERR_INIT;

    if (ds->engine->stopping || node->role != NODE_SECONDARY ||
        ds->view.state.epoch <= node->epoch)
        return;
    node->epoch = ds->view.state.epoch;
    if (node_save(node, &e) != 0)
        log_warning("could not save the epoch: %s", e.message);
}

static int
checkpoint_work(struct dataset *ds, void *arg, struct err *e)
{
    (void)arg;
    (void)e;
    replica_checkpoint(ds->replica);
    return 0;
}

static void
apply_done(struct dataset *ds, void *arg, const struct err *e)
{
    struct apply *a = arg;

    equal_note_push(ds, e);
    if (e->code == ERR_NONE) {
        note_epoch(ds);
        push_accept(a->f, a->tag);
        if (a->checkpoint && !ds->engine->stopping)
            dataset_run_on(ds, DATASET_REPLICA,
                &(struct dataset_job){ .work = checkpoint_work });
    } else {
        push_refuse(a->f, a->tag, a->generation, e);
    }
    vfs_file_release(&a->f->file);
    buf_release(&a->bundle);
    free(a);
}

static void
apply(struct push_file *f, uint32_t tag)
{
    struct apply *a = alloc_zeroed(1, sizeof(*a));

    a->f = f;
    a->tag = tag;
    a->generation = f->generation;
    a->bundle = f->gathered;
    f->gathered = (struct buf)BUF_INIT;
    f->mode = PUSH_IDLE;
    vfs_file_hold(&f->file);
    dataset_run_on(f->ds, DATASET_REPLICA,
        &(struct dataset_job){ .work = apply_work,
            .done = apply_done,
            .arg = a });
}

void
push_bundle_frame(struct push_file *f, uint32_t tag,
    const struct push_frame *frame)
{
    struct err e = ERR_INIT;

    if (frame->payload_len > GATHERED_MAX - f->gathered.len) {
        err_set(&e, ERR_NEEDS_OVERWRITE,
            "a bundle of changes has at most %zu MiB", GATHERED_MAX >> 20);
        err_hint(&e, "Send an overwrite instead.");
        buf_release(&f->gathered);
        f->mode = PUSH_IDLE;
        push_refuse(f, tag, f->generation, &e);
        return;
    }
    buf_put(&f->gathered, frame->payload, frame->payload_len);
    if (frame->last)
        apply(f, tag);
    else
        push_accept(f, tag);
}

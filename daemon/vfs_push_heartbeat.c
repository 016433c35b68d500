/*
 * Heartbeats: one frame names revision and digest of several datasets; each is
 * asked on its strand, and the frame is answered when all have.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "daemon/engine.h"
#include "daemon/equal_since.h"
#include "daemon/vfs_push.h"

struct heartbeat {
    struct push_file *f;
    uint32_t tag;
    unsigned generation;
    struct push_heartbeat content;
    size_t running;
    struct err error; /* the first */
};

struct beat {
    struct heartbeat *heartbeat;
    const struct push_heartbeat_entry *entry;
};

static int
beat_work(struct dataset *ds, void *arg, struct err *e)
{
    const struct beat *beat = arg;
    const struct push_heartbeat *h = &beat->heartbeat->content;
    struct digest digest;

    memcpy(digest.sum, beat->entry->digest, sizeof(digest.sum));
    return replica_heartbeat(ds->replica, h->cluster, h->epoch, h->writer,
        beat->entry->revision, &digest, e);
}

static void
finish(struct heartbeat *h)
{
    if (--h->running > 0)
        return;
    if (h->error.code == ERR_NONE)
        push_accept(h->f, h->tag);
    else
        push_refuse(h->f, h->tag, h->generation, &h->error);
    vfs_file_release(&h->f->file);
    free(h);
}

static void
note_error(struct heartbeat *h, const char *dataset, const struct err *e)
{
    if (e->code == ERR_NONE || h->error.code != ERR_NONE)
        return;
    h->error = *e;
    /* Most errors of a dataset name it themselves. */
    if (strncmp(e->message, "dataset ", strlen("dataset ")) != 0)
        err_wrap(&h->error, "dataset \"%s\"", dataset);
}

static void
beat_done(struct dataset *ds, void *arg, const struct err *e)
{
    struct beat *beat = arg;
    struct heartbeat *h = beat->heartbeat;

    equal_note_heartbeat(ds, e);
    note_error(h, ds->name, e);
    free(beat);
    finish(h);
}

static void
start_beat(struct heartbeat *h, const struct push_heartbeat_entry *entry)
{
    struct dataset *ds =
        datasets_find(h->f->ds->engine->datasets, entry->dataset);
    struct err e = ERR_INIT;
    struct beat *beat;

    if (ds == NULL) {
        err_set(&e, ERR_NOT_FOUND, "there is no such dataset here");
        note_error(h, entry->dataset, &e);
        return;
    }
    beat = alloc_zeroed(1, sizeof(*beat));
    beat->heartbeat = h;
    beat->entry = entry;
    h->running++;
    dataset_run_on(ds, DATASET_REPLICA,
        &(struct dataset_job){ .work = beat_work,
            .done = beat_done,
            .arg = beat });
}

void
push_heartbeat_frame(struct push_file *f, uint32_t tag,
    const struct push_frame *frame)
{
    struct heartbeat *h = alloc_zeroed(1, sizeof(*h));
    struct err e = ERR_INIT;
    unsigned i;

    if (push_heartbeat_decode(&h->content, frame->payload, frame->payload_len,
            &e) != 0) {
        push_refuse(f, tag, f->generation, &e);
        free(h);
        return;
    }
    h->f = f;
    h->tag = tag;
    h->generation = f->generation;
    h->running = 1; /* this function's own */
    vfs_file_hold(&f->file);
    for (i = 0; i < h->content.count; i++)
        start_beat(h, &h->content.entries[i]);
    finish(h);
}

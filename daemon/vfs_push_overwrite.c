/*
 * Overwrites: frames are queued and written by one job at a time, as many as
 * there are; each is answered when it was written, so that the sender's window
 * bounds what waits here.
 *
 * A dataset takes one overwrite at a time, and the newest one wins: a sender
 * that lost its connection must not be kept out by what it left.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "daemon/engine.h"
#include "daemon/equal_since.h"
#include "daemon/vfs_push.h"

/* Beyond any honest window. */
#define QUEUED_MAX ((size_t)64 * 1024 * 1024)

struct push_chunk {
    struct push_chunk *next;
    uint32_t tag;
    bool begins;
    bool last;
    bool written;
    size_t len;
    uint8_t data[];
};

struct stream_job {
    struct push_file *f;
    unsigned generation;
    struct push_chunk *chunks;
};

static void start_job(struct push_file *f);

void
push_overwrite_give_way(struct dataset *ds)
{
    if (ds->overwriter == NULL)
        return;
    replica_overwrite_abort(ds->replica);
    ds->overwriter = NULL;
}

static int
write_chunk(struct dataset *ds, struct push_file *f,
    const struct push_chunk *chunk, struct err *e)
{
    if (chunk->begins) {
        push_overwrite_give_way(ds);
        if (replica_overwrite_begin(ds->replica, e) != 0)
            return -1;
        ds->overwriter = f;
    }
    if (ds->overwriter != f)
        return err_set(e, ERR_CANCELLED, "another push took its place");
    if (replica_overwrite_write(ds->replica, chunk->data, chunk->len, e) != 0)
        return -1;
    if (!chunk->last)
        return 0;
    if (replica_overwrite_finish(ds->replica, e) != 0)
        return -1;
    ds->overwriter = NULL;
    return 0;
}

static int
stream_work(struct dataset *ds, void *arg, struct err *e)
{
    struct stream_job *job = arg;
    struct push_file *f = job->f;
    struct push_chunk *chunk;

    if (!push_may_run(f, job->generation, e))
        return -1;
    for (chunk = job->chunks; chunk != NULL; chunk = chunk->next) {
        if (write_chunk(ds, f, chunk, e) != 0) {
            f->refused_on_strand = job->generation;
            if (ds->overwriter == f)
                push_overwrite_give_way(ds);
            return -1;
        }
        chunk->written = true;
    }
    return 0;
}

static void
answer_chunks(struct dataset *ds, struct stream_job *job, const struct err *e)
{
    struct push_chunk *chunk;
    struct err error = *e, done = ERR_INIT;

    while ((chunk = job->chunks) != NULL) {
        job->chunks = chunk->next;
        if (chunk->last || !chunk->written)
            equal_note_push(ds, chunk->written ? &done : &error);
        if (chunk->written) {
            push_accept(job->f, chunk->tag);
        } else {
            push_refuse(job->f, chunk->tag, job->generation, &error);
            err_set(&error, ERR_POISONED, "an earlier frame was refused");
        }
        free(chunk);
    }
}

static void
stream_done(struct dataset *ds, void *arg, const struct err *e)
{
    struct stream_job *job = arg;
    struct push_file *f = job->f;

    answer_chunks(ds, job, e);
    f->streaming = false;
    if (f->first != NULL)
        start_job(f);
    vfs_file_release(&f->file);
    free(job);
}

static void
start_job(struct push_file *f)
{
    struct stream_job *job = alloc_zeroed(1, sizeof(*job));

    job->f = f;
    job->generation = f->generation;
    job->chunks = f->first;
    f->first = NULL;
    f->end = &f->first;
    f->queued_bytes = 0;
    f->streaming = true;
    f->begun = true;
    vfs_file_hold(&f->file);
    dataset_run_on(f->ds, DATASET_REPLICA,
        &(struct dataset_job){ .work = stream_work,
            .done = stream_done,
            .arg = job });
}

void
push_overwrite_frame(struct push_file *f, uint32_t tag,
    const struct push_frame *frame)
{
    struct push_chunk *chunk;
    struct err e = ERR_INIT;

    if (f->queued_bytes > QUEUED_MAX) {
        err_set(&e, ERR_PROTOCOL, "too many frames are under way");
        push_refuse(f, tag, f->generation, &e);
        return;
    }
    chunk = alloc_bytes(sizeof(*chunk) + frame->payload_len);
    *chunk = (struct push_chunk){ .tag = tag,
        .begins = frame->index == 0,
        .last = frame->last,
        .len = frame->payload_len };
    memcpy(chunk->data, frame->payload, frame->payload_len);
    *f->end = chunk;
    f->end = &chunk->next;
    f->queued_bytes += chunk->len;
    if (frame->last)
        f->mode = PUSH_IDLE;
    if (!f->streaming)
        start_job(f);
}

static int
drop_work(struct dataset *ds, void *arg, struct err *e)
{
    (void)e;
    if (ds->replica != NULL && ds->overwriter == arg)
        push_overwrite_give_way(ds);
    return 0;
}

static void
drop_done(struct dataset *ds, void *arg, const struct err *e)
{
    struct push_file *f = arg;

    (void)ds;
    (void)e;
    vfs_file_release(&f->file);
}

void
push_overwrite_drop(struct push_file *f)
{
    struct stream_job dropped = { .f = f,
        .generation = f->generation,
        .chunks = f->first };
    struct err e = ERR_INIT;

    err_set(&e, ERR_CANCELLED, "the bundle was dropped");
    f->first = NULL;
    f->end = &f->first;
    f->queued_bytes = 0;
    answer_chunks(f->ds, &dropped, &e);
    if (!f->begun)
        return;
    f->begun = false;
    vfs_file_hold(&f->file);
    dataset_run(f->ds, &(struct dataset_job){ .work = drop_work,
                           .done = drop_done,
                           .arg = f });
}

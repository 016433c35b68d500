/*
 * Closing datasets and opening them again: a change of role, of settings, out
 * of use and back.  Two that share a name share its work folder, so one is
 * opened only when the other has been closed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "daemon/datasets_internal.h"
#include "daemon/engine.h"
#include "daemon/fleet.h"
#include "sync/detach.h"

/* One job on each of some datasets, one report at the end. */
struct transition {
    struct dataset_role role;
    size_t running;
    struct err error; /* the first */
    dataset_done_fn done;
    void *ctx;
};

struct transition_job {
    struct transition *transition;
    struct dataset_config config; /* perhaps with new settings */
    enum dataset_mark before;     /* what to mark it with on failure */
};

typedef int (*work_fn)(struct dataset *ds, void *arg, struct err *e);
typedef void (*done_fn)(struct dataset *ds, void *arg, const struct err *e);

static struct transition *
transition_new(struct engine *engine, dataset_done_fn done, void *ctx)
{
    struct transition *c = alloc_zeroed(1, sizeof(*c));

    dataset_role_of(&engine->node, &c->role);
    c->done = done;
    c->ctx = ctx;
    return c;
}

static void
transition_start(struct transition *c, struct dataset *ds, bool off,
    enum dataset_mark before, work_fn work, done_fn done)
{
    struct transition_job *job = alloc_zeroed(1, sizeof(*job));

    c->running++;
    job->transition = c;
    job->before = before;
    job->config = dataset_configuration(ds);
    job->config.off = off;
    dataset_run_always(ds,
        &(struct dataset_job){ .work = work, .done = done, .arg = job });
}

static void
transition_done(struct dataset *ds, void *arg, const struct err *e)
{
    struct transition_job *job = arg;
    struct transition *c = job->transition;

    (void)ds;
    free(job);
    if (e->code != ERR_NONE && c->error.code == ERR_NONE)
        c->error = *e;
    if (--c->running > 0)
        return;
    if (c->done != NULL)
        c->done(c->ctx, &c->error);
    free(c);
}

/* Opening again. */

static int
reopen_work(struct dataset *ds, void *arg, struct err *e)
{
    struct transition_job *job = arg;
    const struct dataset_role *role = &job->transition->role;
    struct err detach_error = ERR_INIT;

    /* A detach that fails now is finished by the opening that follows. */
    if (dataset_shut(ds, role->role != NODE_SECONDARY, &detach_error) != 0)
        log_warning("could not detach \"%s\": %s", ds->name,
            detach_error.message);
    ds->private->role = *role;
    ds->private->closed = false;
    ds->config = job->config;
    return dataset_open(ds, e);
}

static enum dataset_mark
mark_of(const struct dataset *ds)
{
    enum dataset_mark mark = DATASET_PLAIN;
    struct err e = ERR_INIT;

    if (!dataset_is_built_in(ds) &&
        dataset_mark_get(ds->engine, ds->name, &mark, &e) != 0)
        log_error("%s", e.message);
    return mark;
}

static void
reopen(struct transition *c, struct dataset *ds)
{
    enum dataset_mark mark = mark_of(ds);

    transition_start(c, ds, mark == DATASET_CAPTURE_OFF, mark, reopen_work,
        transition_done);
    ds->private->wanted = dataset_configuration(ds);
}

/* Whether the other of that name is still being closed. */
static struct dataset *
closing_twin(const struct dataset *ds)
{
    const struct datasets *d = ds->engine->datasets;

    for (size_t i = 0; d != NULL && i < d->resting_count; i++) {
        struct dataset *other = d->resting[i];

        if (other->private->closing && strcmp(other->name, ds->name) == 0)
            return other;
    }
    return NULL;
}

void
dataset_reopen(struct dataset *ds, dataset_done_fn done, void *ctx)
{
    if (closing_twin(ds) != NULL)
        return; /* its end opens us */
    reopen(transition_new(ds->engine, done, ctx), ds);
}

void
datasets_change_role(struct datasets *d, dataset_done_fn done, void *ctx)
{
    struct transition *c = transition_new(d->engine, done, ctx);

    for (size_t i = 0; i < d->count; i++)
        reopen(c, d->items[i]);
}

/* Other keys. */

static int
trust_work(struct dataset *ds, void *arg, struct err *e)
{
    const struct transition_job *job = arg;

    (void)e;
    ds->private->role = job->transition->role;
    dataset_trust(ds);
    return 0;
}

void
datasets_trust(struct datasets *d, dataset_done_fn done, void *ctx)
{
    struct transition *c = transition_new(d->engine, done, ctx);

    for (size_t i = 0; i < d->count; i++)
        transition_start(c, d->items[i], false, DATASET_PLAIN, trust_work,
            transition_done);
}

/* Out of use. */

static int
close_work(struct dataset *ds, void *arg, struct err *e)
{
    (void)arg;
    ds->private->closed = true;
    return dataset_shut(ds, false, e);
}

static void
close_done(struct dataset *ds, void *arg, const struct err *e)
{
    struct engine *engine = ds->engine;
    struct dataset *next;

    ds->private->closing = false;
    if (!engine->stopping && engine->datasets != NULL) {
        next = datasets_find(engine->datasets, ds->name);
        if (next != NULL && next != ds)
            dataset_reopen(next, NULL, NULL);
    }
    transition_done(ds, arg, e);
}

void
dataset_close(struct dataset *ds)
{
    ds->private->closing = true;
    transition_start(transition_new(ds->engine, NULL, NULL), ds, false,
        DATASET_PLAIN, close_work, close_done);
}

static int
remove_work(struct dataset *ds, void *arg, struct err *e)
{
    struct err open_error = ERR_INIT;

    (void)arg;
    if (dataset_shut(ds, false, e) != 0 ||
        database_detach(ds->live_path, e) != 0) {
        dataset_open(ds, &open_error);
        return -1;
    }
    ds->private->closed = true;
    if (file_remove_tree(ds->work_dir) != 0)
        log_warning("could not remove \"%s\"", ds->work_dir);
    return 0;
}

/* A failure takes back what the node store was told. */
static void
settle_mark(struct dataset *ds, enum dataset_mark before, struct err *error)
{
    struct err e = ERR_INIT;

    if (error->code == ERR_NONE || ds->engine->stopping)
        return;
    if (dataset_mark_set(ds->engine, ds->name, before, &e) != 0)
        log_error("dataset \"%s\": %s", ds->name, e.message);
}

static void
remove_done(struct dataset *ds, void *arg, const struct err *e)
{
    const struct transition_job *job = arg;
    struct engine *engine = ds->engine;
    struct err error = *e;

    ds->private->closing = false;
    settle_mark(ds, job->before, &error);
    if ((error.code == ERR_NONE || job->before == DATASET_DETACHED) &&
        !engine->stopping) {
        datasets_lay_down(engine->datasets, ds);
        fleet_datasets_changed(engine->fleet);
    }
    transition_done(ds, arg, &error);
}

/* Told to the node store before the work: what a crash leaves undone, the next
 * start sees to. */
static int
mark_first(struct dataset *ds, enum dataset_mark mark, dataset_done_fn done,
    void *ctx)
{
    struct err e = ERR_INIT;

    if (dataset_mark_set(ds->engine, ds->name, mark, &e) == 0)
        return 0;
    done(ctx, &e);
    return -1;
}

void
dataset_remove(struct dataset *ds, dataset_done_fn done, void *ctx)
{
    enum dataset_mark before = mark_of(ds);

    if (mark_first(ds, DATASET_DETACHED, done, ctx) != 0)
        return;
    ds->private->closing = true;
    transition_start(transition_new(ds->engine, done, ctx), ds, false, before,
        remove_work, remove_done);
}

/* Capture off and on. */

static int
capture_work(struct dataset *ds, void *arg, struct err *e)
{
    const struct transition_job *job = arg;
    struct err open_error = ERR_INIT;

    if (dataset_shut(ds, false, e) != 0)
        return -1;
    ds->config.off = job->config.off;
    if (dataset_open(ds, e) == 0)
        return 0;
    ds->config.off = !job->config.off;
    dataset_open(ds, &open_error);
    return -1;
}

static void
capture_done(struct dataset *ds, void *arg, const struct err *e)
{
    const struct transition_job *job = arg;
    struct err error = *e;

    settle_mark(ds, job->before, &error);
    transition_done(ds, arg, &error);
}

void
dataset_set_capture(struct dataset *ds, bool on, dataset_done_fn done,
    void *ctx)
{
    enum dataset_mark before = mark_of(ds);

    if (mark_first(ds, on ? DATASET_PLAIN : DATASET_CAPTURE_OFF, done, ctx) ==
        0)
        transition_start(transition_new(ds->engine, done, ctx), ds, !on, before,
            capture_work, capture_done);
}

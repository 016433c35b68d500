/*
 * The datasets of this node: the built-in ones, their change of role, and the
 * scrubs of a secondary.
 */
#include "daemon/datasets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/stop.h"
#include "daemon/admins_schema.h"
#include "daemon/config_schema.h"
#include "daemon/datasets_internal.h"
#include "daemon/engine.h"
#include "daemon/events.h"

static const struct {
    const char *name;
    int (*create)(const char *path, struct err *e);
} built_in[] = {
    { "config", config_schema_create },
    { "admins", admins_schema_create },
};

#define BUILT_IN_COUNT (sizeof(built_in) / sizeof(built_in[0]))

struct datasets {
    struct engine *engine;
    struct dataset *items[BUILT_IN_COUNT];
    size_t count;
    uv_timer_t *scrub; /* freed when libuv has closed it */
};

/* Called on a strand. */
static void
take_notice(void *ctx, const char *kind, const char *text)
{
    struct dataset *ds = ctx;

    events_add(ds->engine->events, "info", kind, NULL, ds->name, "%s", text);
}

static struct dataset_config
configuration(struct dataset *ds)
{
    const struct settings *s = &ds->engine->settings;

    return (struct dataset_config){
        .name = ds->name,
        .live_path = ds->live_path,
        .work_dir = ds->work_dir,
        .history_bytes = (uint64_t)s->history_bytes,
        .history_age_ms = s->history_age_ms,
        .delete_guard_percent = (int)s->delete_guard_percent,
        .notice = take_notice,
        .ctx = ds,
    };
}

static void
free_dataset(struct dataset *ds)
{
    struct err e = ERR_INIT;

    if (ds == NULL)
        return;
    strand_free(ds->strand);
    if (ds->private != NULL)
        dataset_shut(ds, false, &e);
    free(ds->private);
    free(ds->live_path);
    free(ds->work_dir);
    free(ds);
}

static struct dataset *
new_dataset(struct engine *engine, size_t index)
{
    const char *dir = engine->settings.state_dir;
    struct dataset *ds = alloc_zeroed(1, sizeof(*ds));

    ds->engine = engine;
    ds->private = alloc_zeroed(1, sizeof(*ds->private));
    ds->private->create = built_in[index].create;
    snprintf(ds->name, sizeof(ds->name), "%s", built_in[index].name);
    ds->live_path = alloc_format("%s/%s.db", dir, ds->name);
    ds->work_dir = alloc_format("%s/datasets/%s", dir, ds->name);
    ds->strand = strand_new(engine->loop);
    ds->config = configuration(ds);
    return ds;
}

static int
open_one(struct dataset *ds, struct err *e)
{
    struct err open_error = ERR_INIT;

    if (file_make_folder(ds->work_dir, 0700, e) != 0)
        return -1;
    dataset_role_of(&ds->engine->node, &ds->private->role);
    /* One dataset that cannot be opened must not keep an administrator from
     * looking why: its jobs fail, and try again. */
    if (dataset_open(ds, &open_error) != 0 && stop_check(e) == 0)
        events_add(ds->engine->events, "error", "dataset-error", NULL, ds->name,
            "could not open: %s", open_error.message);
    dataset_look(ds, &ds->view);
    return stop_check(e);
}

static int
scrub_work(struct dataset *ds, void *arg, struct err *e)
{
    (void)arg;
    return replica_scrub(ds->replica, e);
}

static void
scrub_done(struct dataset *ds, void *arg, const struct err *e)
{
    (void)arg;
    ds->private->scrubbing = false;
    if (e->code != ERR_NONE && e->code != ERR_CANCELLED &&
        e->code != ERR_ROLE && e->code != ERR_DRIFTED)
        events_add(ds->engine->events, "warning", "scrub-error", NULL, ds->name,
            "%s", e->message);
}

static void
scrub_all(uv_timer_t *timer)
{
    struct datasets *d = timer->data;
    size_t i;

    if (d->engine->node.role != NODE_SECONDARY)
        return;
    for (i = 0; i < d->count; i++) {
        struct dataset *ds = d->items[i];

        /* With nothing received yet there is nothing to recompute. */
        if (ds->private->scrubbing || ds->view.state.revision == 0)
            continue;
        ds->private->scrubbing = true;
        dataset_run_on(ds, DATASET_REPLICA,
            &(struct dataset_job){ .work = scrub_work, .done = scrub_done });
    }
}

static void
start_scrubs(struct datasets *d)
{
    uint64_t interval = (uint64_t)d->engine->settings.scrub_interval_ms;

    uv_timer_stop(d->scrub);
    if (interval > 0)
        uv_timer_start(d->scrub, scrub_all, interval, interval);
}

static void
free_timer(uv_handle_t *handle)
{
    free(handle);
}

int
datasets_open(struct datasets **datasets, struct engine *engine, struct err *e)
{
    struct datasets *d = alloc_zeroed(1, sizeof(*d));

    *datasets = NULL;
    d->engine = engine;
    d->scrub = alloc_zeroed(1, sizeof(*d->scrub));
    uv_timer_init(engine->loop, d->scrub);
    d->scrub->data = d;
    while (d->count < BUILT_IN_COUNT) {
        struct dataset *ds = new_dataset(engine, d->count);

        d->items[d->count++] = ds;
        if (open_one(ds, e) != 0) {
            datasets_close(d);
            return -1;
        }
    }
    start_scrubs(d);
    *datasets = d;
    return 0;
}

void
datasets_close(struct datasets *d)
{
    size_t i;

    if (d == NULL)
        return;
    uv_close((uv_handle_t *)d->scrub, free_timer);
    for (i = 0; i < d->count; i++)
        free_dataset(d->items[i]);
    free(d);
}

size_t
datasets_count(const struct datasets *d)
{
    return d->count;
}

struct dataset *
datasets_at(const struct datasets *d, size_t index)
{
    return d->items[index];
}

struct dataset *
datasets_find(const struct datasets *d, const char *name)
{
    size_t i;

    for (i = 0; i < d->count; i++) {
        if (strcmp(d->items[i]->name, name) == 0)
            return d->items[i];
    }
    return NULL;
}

/* A change of role: one job on every dataset, one report at the end. */
struct role_change {
    struct dataset_role role;
    size_t running;
    struct err error; /* the first */
    void (*done)(void *ctx, const struct err *e);
    void *ctx;
};

struct change_job {
    struct role_change *change;
    struct dataset_config config; /* perhaps with new settings */
};

static int
change_work(struct dataset *ds, void *arg, struct err *e)
{
    struct change_job *job = arg;
    const struct dataset_role *role = &job->change->role;
    struct err detach_error = ERR_INIT;

    /* A detach that fails now is finished by the opening that follows. */
    if (dataset_shut(ds, role->role != NODE_SECONDARY, &detach_error) != 0)
        log_warning("could not detach \"%s\": %s", ds->name,
            detach_error.message);
    ds->private->role = *role;
    ds->config = job->config;
    return dataset_open(ds, e);
}

static void
change_done(struct dataset *ds, void *arg, const struct err *e)
{
    struct change_job *job = arg;
    struct role_change *c = job->change;

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

void
datasets_change_role(struct datasets *d,
    void (*done)(void *ctx, const struct err *e), void *ctx)
{
    struct role_change *c = alloc_zeroed(1, sizeof(*c));
    size_t i;

    dataset_role_of(&d->engine->node, &c->role);
    c->running = d->count;
    c->done = done;
    c->ctx = ctx;
    for (i = 0; i < d->count; i++) {
        struct change_job *job = alloc_zeroed(1, sizeof(*job));

        job->change = c;
        job->config = configuration(d->items[i]);
        dataset_run_always(d->items[i],
            &(struct dataset_job){ .work = change_work,
                .done = change_done,
                .arg = job });
    }
}

static void
reopened(void *ctx, const struct err *e)
{
    struct engine *engine = ctx;

    if (e->code != ERR_NONE)
        events_add(engine->events, "error", "dataset-error", NULL, NULL,
            "could not open again: %s", e->message);
}

void
datasets_settings_changed(struct datasets *d)
{
    start_scrubs(d);
    datasets_change_role(d, reopened, d->engine);
}

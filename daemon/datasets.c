/*
 * The list of this node's datasets, built-in and configured, and the scrubs of
 * a secondary.  One that leaves the list rests, closed: sessions, lanes and
 * jobs may still point to it, and its section may come back.
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

/* Called on a strand. */
static void
take_notice(void *ctx, const char *kind, const char *text)
{
    struct dataset *ds = ctx;

    events_add(ds->engine->events, "info", kind, NULL, ds->name, "%s", text);
}

/* Likewise. */
static void
let_go(void *ctx)
{
    dataset_drop_reader(ctx);
}

/* The text of what is replicated, which lives as long as DS: jobs of its strand
 * outlive the settings that it comes from. */
static const char *
selection_of(struct dataset *ds, const struct dataset_settings *own)
{
    struct dataset_private *p = ds->private;
    char *text = selection_text(&own->selection);

    for (size_t i = 0; i < p->selection_count; i++)
        if (strcmp(p->selections[i], text) == 0) {
            free(text);
            return p->selections[i];
        }
    p->selections = alloc_resize(p->selections, p->selection_count + 1,
        sizeof(*p->selections));
    p->selections[p->selection_count++] = text;
    return text;
}

struct dataset_config
dataset_configuration(struct dataset *ds)
{
    const struct settings *s = &ds->engine->settings;
    const struct dataset_settings *own = settings_find_dataset(s, ds->name);

    return (struct dataset_config){
        .name = ds->name,
        .live_path = ds->live_path,
        .work_dir = ds->work_dir,
        .history_bytes = (uint64_t)s->history_bytes,
        .history_age_ms = s->history_age_ms,
        .delete_guard_percent = (int)s->delete_guard_percent,
        .capture = own != NULL ? own->capture : CAPTURE_TRIGGERS,
        .drift_capture = own != NULL ? own->drift_capture : CAPTURE_TRIGGERS,
        .foreign = own != NULL,
        .selection = own != NULL ? selection_of(ds, own) : "",
        .notice = take_notice,
        .let_go = let_go,
        .ctx = ds,
    };
}

bool
dataset_is_built_in(const struct dataset *ds)
{
    return ds->private->create != NULL;
}

static void
free_dataset(struct dataset *ds)
{
    struct err e = ERR_INIT;

    if (ds == NULL)
        return;
    strand_free(ds->strand);
    dataset_shut(ds, false, &e);
    for (size_t i = 0; i < ds->private->selection_count; i++)
        free(ds->private->selections[i]);
    free(ds->private->selections);
    free(ds->private);
    free(ds->live_path);
    free(ds->work_dir);
    free(ds);
}

static struct dataset *
new_dataset(struct engine *engine, const char *name, const char *live_path)
{
    struct dataset *ds = alloc_zeroed(1, sizeof(*ds));

    ds->engine = engine;
    ds->private = alloc_zeroed(1, sizeof(*ds->private));
    ds->private->closed = true;
    snprintf(ds->name, sizeof(ds->name), "%s", name);
    ds->live_path = alloc_string(live_path);
    ds->work_dir =
        alloc_format("%s/datasets/%s", engine->settings.state_dir, name);
    ds->strand = strand_new(engine->loop);
    return ds;
}

static void
append(struct dataset ***list, size_t *count, struct dataset *ds)
{
    *list = alloc_resize(*list, *count + 1, sizeof(struct dataset *));
    (*list)[(*count)++] = ds;
}

static bool
take_out(struct dataset **list, size_t *count, const struct dataset *ds)
{
    size_t i;

    for (i = 0; i < *count && list[i] != ds; i++)
        continue;
    if (i == *count)
        return false;
    --*count;
    memmove(&list[i], &list[i + 1], (*count - i) * sizeof(struct dataset *));
    return true;
}

struct dataset *
datasets_take_up(struct datasets *d, const char *name, const char *live_path)
{
    struct dataset *ds = NULL;
    size_t i;

    for (i = 0; ds == NULL && i < d->resting_count; i++) {
        if (strcmp(d->resting[i]->name, name) == 0 &&
            strcmp(d->resting[i]->live_path, live_path) == 0)
            ds = d->resting[i];
    }
    if (ds != NULL)
        take_out(d->resting, &d->resting_count, ds);
    else
        ds = new_dataset(d->engine, name, live_path);
    append(&d->items, &d->count, ds);
    ds->active = true;
    return ds;
}

void
datasets_lay_down(struct datasets *d, struct dataset *ds)
{
    if (!take_out(d->items, &d->count, ds))
        return;
    ds->active = false;
    append(&d->resting, &d->resting_count, ds);
}

static int
open_built_in(struct datasets *d, size_t index, struct err *e)
{
    struct engine *engine = d->engine;
    char *path = alloc_format("%s/%s.db", engine->settings.state_dir,
        built_in[index].name);
    struct dataset *ds = datasets_take_up(d, built_in[index].name, path);
    struct err open_error = ERR_INIT;

    free(path);
    ds->private->create = built_in[index].create;
    ds->private->closed = false;
    ds->config = dataset_configuration(ds);
    ds->private->wanted = ds->config;
    if (file_make_folder(ds->work_dir, 0700, e) != 0)
        return -1;
    dataset_role_of(&engine->node, &ds->private->role);
    /* One dataset that cannot be opened must not keep an administrator from
     * looking why: its jobs fail, and try again. */
    if (dataset_open(ds, &open_error) != 0 && stop_check(e) == 0)
        events_add(engine->events, "error", "dataset-error", NULL, ds->name,
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

void
datasets_start_scrubs(struct datasets *d)
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
    size_t i;

    *datasets = NULL;
    d->engine = engine;
    d->scrub = alloc_zeroed(1, sizeof(*d->scrub));
    uv_timer_init(engine->loop, d->scrub);
    d->scrub->data = d;
    for (i = 0; i < BUILT_IN_COUNT; i++) {
        if (open_built_in(d, i, e) != 0) {
            datasets_close(d);
            return -1;
        }
    }
    datasets_follow_settings(d);
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
    for (i = 0; i < d->resting_count; i++)
        free_dataset(d->resting[i]);
    free(d->items);
    free(d->resting);
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

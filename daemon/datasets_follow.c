/*
 * The list of datasets follows the sections of the configuration: new ones are
 * taken up, those that are gone or detached laid down, those of which anything
 * else changed opened again.  A file under another path is another dataset of
 * the same name.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "daemon/datasets_internal.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/fleet.h"

/* The file itself when the path is a link, as SQLite names its journals by. */
static char *
real_path(const char *path)
{
    char *real = realpath(path, NULL);

    return real != NULL ? real : alloc_string(path);
}

static bool
is_detached(struct engine *engine, const char *name)
{
    enum dataset_mark mark;
    struct err e = ERR_INIT;

    if (dataset_mark_get(engine, name, &mark, &e) != 0)
        log_error("%s", e.message);
    return mark == DATASET_DETACHED;
}

int
dataset_not_here(struct engine *engine, const char *name, struct err *e)
{
    const char *node = engine->node.name;

    if (settings_find_dataset(&engine->settings, name) == NULL) {
        err_set(e, ERR_NOT_FOUND, "dataset \"%s\" is not configured on \"%s\"",
            name, node);
        err_hint(e,
            "Add [dataset \"%s\"] with path = FILE to \"%s\" there, then "
            "reload lockstepd (SIGHUP).",
            name,
            engine->config_path != NULL ? engine->config_path
                                        : SETTINGS_DEFAULT_PATH);
    } else {
        err_set(e, ERR_NOT_FOUND, "dataset \"%s\" is detached on \"%s\"", name,
            node);
        err_hint(e, "Run \"lockstep dataset attach %s\" there.", name);
    }
    return -1;
}

static bool
is_wanted(const struct dataset *ds)
{
    const struct dataset_settings *own =
        settings_find_dataset(&ds->engine->settings, ds->name);
    char *path;
    bool same;

    if (dataset_is_built_in(ds))
        return true;
    if (own == NULL || is_detached(ds->engine, ds->name))
        return false;
    path = real_path(own->path);
    same = strcmp(path, ds->live_path) == 0 ||
           strcmp(own->path, ds->live_path) == 0;
    free(path);
    return same;
}

static void
lay_down_unwanted(struct datasets *d)
{
    for (size_t i = 0; i < d->count;) {
        struct dataset *ds = d->items[i];

        if (is_wanted(ds)) {
            i++;
            continue;
        }
        events_add(d->engine->events, "info", "dataset-closed", NULL, ds->name,
            "\"%s\" is configured no longer; what Lockstep keeps in that file "
            "stays there",
            ds->live_path);
        datasets_lay_down(d, ds);
        dataset_close(ds);
    }
}

static bool
differs(const struct dataset_config *a, const struct dataset_config *b)
{
    return a->history_bytes != b->history_bytes ||
           a->history_age_ms != b->history_age_ms ||
           a->delete_guard_percent != b->delete_guard_percent ||
           a->capture != b->capture || a->drift_capture != b->drift_capture ||
           strcmp(a->selection, b->selection) != 0;
}

static void
reopen_changed(struct datasets *d)
{
    for (size_t i = 0; i < d->count; i++) {
        struct dataset *ds = d->items[i];
        struct dataset_config config = dataset_configuration(ds);

        if (differs(&config, &ds->private->wanted))
            dataset_reopen(ds, NULL, NULL);
    }
}

static void
removal_finished(void *ctx, const struct err *e)
{
    const struct dataset *ds = ctx;

    if (e->code != ERR_NONE && e->code != ERR_CANCELLED)
        log_error("could not finish to remove dataset \"%s\": %s", ds->name,
            e->message);
}

/* A removal that a crash cut short is finished: the work folder goes last. */
static void
finish_removal(struct datasets *d, const struct dataset_settings *own)
{
    char *work_dir = alloc_format("%s/datasets/%s",
        d->engine->settings.state_dir, own->name);
    char *path = real_path(own->path);

    if (file_exists(work_dir)) {
        struct dataset *ds = datasets_take_up(d, own->name, path);

        ds->active = false;
        dataset_remove(ds, removal_finished, ds);
    }
    free(path);
    free(work_dir);
}

static void
take_up_new(struct datasets *d)
{
    const struct settings *s = &d->engine->settings;
    for (size_t i = 0; i < s->dataset_count; i++) {
        const struct dataset_settings *own = &s->datasets[i];
        struct dataset *ds;
        char *path;

        if (datasets_find(d, own->name) != NULL)
            continue;
        if (is_detached(d->engine, own->name)) {
            finish_removal(d, own);
            continue;
        }
        path = real_path(own->path);
        ds = datasets_take_up(d, own->name, path);
        free(path);
        memset(&ds->view, 0, sizeof(ds->view));
        ds->view.opening = true;
        err_set(&ds->view.error, ERR_BUSY, "dataset \"%s\" is being opened",
            ds->name);
        dataset_reopen(ds, NULL, NULL);
    }
}

void
datasets_follow_settings(struct datasets *d)
{
    struct err e = ERR_INIT;

    if (dataset_marks_forget(d->engine, &e) != 0)
        log_error("%s", e.message);
    lay_down_unwanted(d);
    reopen_changed(d);
    take_up_new(d);
    datasets_start_scrubs(d);
    /* Also when none came or went: others may be sent one now. */
    fleet_datasets_changed(d->engine->fleet);
}

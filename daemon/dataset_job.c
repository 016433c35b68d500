/*
 * Jobs on a dataset, and the view that the loop keeps of it: looked at on the
 * strand at the end of each job, taken over on the loop before the job is
 * reported.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "daemon/accounts.h"
#include "daemon/datasets_internal.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/filter.h"
#include "daemon/fleet.h"
#include "daemon/hooks.h"
#include "sync/open.h"

/* A dataset that could not be opened is tried again this often at most. */
#define REOPEN_MS 1000

struct run {
    struct dataset *ds;
    struct dataset_job job;
    enum dataset_need need;
    bool always;
    struct err error;
    struct dataset_view view;
    bool changed;
};

static uint64_t
live_bytes(const struct dataset *ds)
{
    struct stat st;

    return stat(ds->live_path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void
look_at_source(struct dataset *ds, struct dataset_view *view)
{
    struct err e = ERR_INIT;
    const char *held = source_held(ds->source);

    source_state(ds->source, &view->state);
    view->bytes = source_bytes(ds->source);
    view->off = ds->config.off;
    snprintf(view->held, sizeof(view->held), "%s", held != NULL ? held : "");
    /* What cannot be told counts as unpublished: nothing is shown as equal
     * that may differ. */
    if (source_unpublished(ds->source, &view->unpublished, &e) != 0)
        view->unpublished = true;
}

/* Whether somebody, we or another program, wrote to the live database. */
static bool
source_changed(struct dataset *ds)
{
    struct dataset_private *p = ds->private;
    struct err e = ERR_INIT;
    uint32_t version;
    sqlite3 *db = dataset_reader(ds, &e);
    bool changed;

    if (db == NULL || database_data_version(db, &version, &e) != 0)
        return false;
    changed = !p->reader_seen || version != p->reader_version;
    p->reader_seen = true;
    p->reader_version = version;
    return changed;
}

static bool
revision_changed(struct dataset *ds, const struct dataset_state *state)
{
    struct dataset_state *seen = &ds->private->seen;
    bool changed = seen->revision != state->revision ||
                   !digest_equal(&seen->digest, &state->digest);

    *seen = *state;
    return changed;
}

bool
dataset_look(struct dataset *ds, struct dataset_view *view)
{
    bool changed = false;

    memset(view, 0, sizeof(*view));
    if (ds->source != NULL) {
        look_at_source(ds, view);
        /* Nobody here lives by the content of another program's database, and
         * a connection kept open would be in that program's way. */
        if (dataset_is_built_in(ds))
            changed = source_changed(ds);
        else
            dataset_drop_reader(ds);
    } else if (ds->replica != NULL) {
        replica_status(ds->replica, &view->replica);
        view->state = view->replica.state;
        view->bytes = live_bytes(ds);
        changed = revision_changed(ds, &view->state);
    } else {
        view->error = ds->private->open_error;
    }
    return changed;
}

static bool
need_is_met(const struct run *run)
{
    switch (run->need) {
    case DATASET_SOURCE:
        return run->ds->source != NULL;
    case DATASET_REPLICA:
        return run->ds->replica != NULL;
    case DATASET_ANY:
        break;
    }
    return true;
}

static bool
ensure_open(struct dataset *ds, struct err *e)
{
    struct dataset_private *p = ds->private;

    if (dataset_is_open(ds))
        return true;
    if (clock_mono_ms() - p->opened_try_ms >= REOPEN_MS)
        return dataset_open(ds, e) == 0;
    *e = p->open_error;
    return false;
}

static void
run_work(void *arg)
{
    struct run *run = arg;
    struct dataset *ds = run->ds;

    dataset_drop_moved(ds);
    if (!run->always && !ensure_open(ds, &run->error)) {
        /* the error says why */
    } else if (!need_is_met(run)) {
        err_set(&run->error, ERR_ROLE, "dataset \"%s\" is %s on this node",
            ds->name, ds->source != NULL ? "written" : "received");
    } else if (run->job.work(ds, run->job.arg, &run->error) != 0) {
        if (run->error.code == ERR_NONE)
            err_set(&run->error, ERR_INTERNAL, "a job failed without a reason");
    } else {
        err_clear(&run->error);
    }
    run->changed = dataset_look(ds, &run->view);
}

static void
report_drift(struct dataset *ds, const struct dataset_view *before)
{
    const struct replica_status *now = &ds->view.replica;
    struct events *events = ds->engine->events;

    if (now->drifted && !before->replica.drifted)
        events_add(events, "warning", "drift", NULL, ds->name, "%s",
            now->reason[0] != '\0' ? now->reason : "rows differ");
    else if (!now->drifted && before->replica.drifted && ds->replica != NULL)
        events_add(events, "info", "drift-ended", NULL, ds->name,
            "equal to revision %llu again",
            (unsigned long long)ds->view.state.revision);
}

/* A dataset that cannot be opened, and the end of that, told once each. */
static void
report_error(struct dataset *ds, const struct dataset_view *before)
{
    const struct err *now = &ds->view.error;
    struct events *events = ds->engine->events;

    if (now->code == ERR_NONE) {
        if (ds->private->error_told)
            events_add(events, "info", "dataset-open", NULL, ds->name,
                "could be opened again");
        ds->private->error_told = false;
        if (before->error.code != ERR_NONE)
            fleet_datasets_changed(ds->engine->fleet);
    } else if (ds->active &&
               (!ds->private->error_told ||
                   strcmp(now->message, before->error.message) != 0)) {
        events_add(events, "error", "dataset-error", NULL, ds->name,
            "could not open: %s", now->message);
        ds->private->error_told = true;
    }
}

/* Who lives by the content of a built-in dataset. */
static void
tell_others(struct dataset *ds)
{
    struct engine *engine = ds->engine;

    if (strcmp(ds->name, "admins") == 0 && engine->accounts != NULL)
        accounts_refresh(engine->accounts);
    if (strcmp(ds->name, "config") == 0 && engine->filter != NULL)
        filter_reload_cluster(engine->filter);
}

static void
run_done(void *arg, bool cancelled)
{
    struct run *run = arg;
    struct dataset *ds = run->ds;
    struct dataset_view before = { .bytes = 0 };

    if (cancelled) {
        err_set(&run->error, ERR_CANCELLED, "lockstepd is stopping");
    } else {
        before = ds->view;
        ds->view = run->view;
        report_drift(ds, &before);
        if (!ds->engine->stopping) {
            report_error(ds, &before);
            hooks_notice(ds->engine->hooks, ds,
                before.replica.drifted && !ds->view.replica.drifted);
        }
    }
    if (run->job.done != NULL)
        run->job.done(ds, run->job.arg, &run->error);
    if (!cancelled && !ds->engine->stopping) {
        if (run->changed)
            tell_others(ds);
        if (ds->view.unpublished && !before.unpublished &&
            ds->engine->fleet != NULL)
            fleet_changed(ds->engine->fleet, ds->name);
    }
    free(run);
}

static void
start(struct dataset *ds, enum dataset_need need, bool always,
    const struct dataset_job *job)
{
    struct run *run = alloc_zeroed(1, sizeof(*run));

    run->ds = ds;
    run->job = *job;
    run->need = need;
    run->always = always;
    strand_run(ds->strand, run_work, run_done, run);
}

void
dataset_run(struct dataset *ds, const struct dataset_job *job)
{
    start(ds, DATASET_ANY, false, job);
}

void
dataset_run_on(struct dataset *ds, enum dataset_need need,
    const struct dataset_job *job)
{
    start(ds, need, false, job);
}

void
dataset_run_always(struct dataset *ds, const struct dataset_job *job)
{
    start(ds, DATASET_ANY, true, job);
}

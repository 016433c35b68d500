/*
 * Commands about datasets: list, show, verify, accept.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "daemon/control.h"
#include "daemon/control_diff.h"
#include "daemon/datasets.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/fleet.h"

#define HISTORY_MAX 1000

/* What a job on a dataset works out for a call. */
struct dataset_call {
    struct control_call *call;
    json_t *history;
    bool equal;
    struct publish_result published;
};

static void
run_list(struct control_call *call)
{
    const struct engine *engine = control_engine(call);

    control_finish(call,
        json_pack("{s:o}", "datasets", datasets_json(engine->datasets)));
}

struct dataset *
control_dataset(struct control_call *call)
{
    struct dataset *ds = NULL;
    const char *name = NULL;
    struct err e = ERR_INIT;

    if (json_member_string(control_args(call), "name", true, &name, &e) == 0) {
        ds = datasets_find(control_engine(call)->datasets, name);
        if (ds == NULL) {
            err_set(&e, ERR_NOT_FOUND, "there is no dataset \"%s\"", name);
            err_hint(&e, "\"lockstep dataset list\" shows them.");
        }
    }
    if (ds == NULL)
        control_fail(call, &e);
    return ds;
}

static void
start(struct control_call *call, enum dataset_need need,
    int (*work)(struct dataset *ds, void *arg, struct err *e),
    void (*done)(struct dataset *ds, void *arg, const struct err *e))
{
    struct dataset *ds = control_dataset(call);
    struct dataset_call *dc;

    if (ds == NULL)
        return;
    dc = alloc_zeroed(1, sizeof(*dc));
    dc->call = call;
    dataset_run_on(ds, need,
        &(struct dataset_job){ .work = work, .done = done, .arg = dc });
}

static void
finish(struct dataset_call *dc, json_t *result, const struct err *e)
{
    if (e->code != ERR_NONE) {
        json_decref(result);
        control_fail(dc->call, e);
    } else {
        control_finish(dc->call, result);
    }
    free(dc);
}

static int
show_work(struct dataset *ds, void *arg, struct err *e)
{
    struct dataset_call *dc = arg;

    if (ds->source == NULL) {
        dc->history = json_array();
        return 0;
    }
    return source_history(ds->source, HISTORY_MAX, &dc->history, e);
}

static void
show_done(struct dataset *ds, void *arg, const struct err *e)
{
    struct dataset_call *dc = arg;
    json_t *json = dataset_json(ds);
    json_t *history = dc->history;

    json_object_set_new(json, "history",
        history != NULL ? history : json_array());
    finish(dc, json, e);
}

static void
run_show(struct control_call *call)
{
    struct err e = ERR_INIT;
    int64_t revision = 0;

    if (json_member_int(control_args(call), "revision", false, &revision, &e) !=
        0)
        control_fail(call, &e);
    else if (revision != 0)
        diff_show_revision(call, revision);
    else
        start(call, DATASET_ANY, show_work, show_done);
}

static int
verify_work(struct dataset *ds, void *arg, struct err *e)
{
    struct dataset_call *dc = arg;
    struct replica_status status;

    if (ds->source != NULL)
        return source_verify(ds->source, &dc->equal, e);
    if (replica_scrub(ds->replica, e) != 0 && e->code != ERR_DRIFTED)
        return -1;
    replica_status(ds->replica, &status);
    dc->equal = !status.drifted && !status.needs_overwrite;
    return 0;
}

static void
verify_done(struct dataset *ds, void *arg, const struct err *e)
{
    const struct dataset_state *state = &ds->view.state;
    struct dataset_call *dc = arg;

    finish(dc,
        json_pack("{s:b, s:o, s:I}", "equal", dc->equal ? 1 : 0, "digest",
            json_hex(state->digest.sum, HASH_SIZE), "rows",
            (json_int_t)state->rows),
        e);
}

static void
run_verify(struct control_call *call)
{
    start(call, DATASET_ANY, verify_work, verify_done);
}

static int
accept_work(struct dataset *ds, void *arg, struct err *e)
{
    struct dataset_call *dc = arg;
    struct err ignored = ERR_INIT;

    if (source_accept(ds->source, &dc->published, e) != 0)
        return -1;
    /* It is done; what it was is only told. */
    if (dc->published.published)
        source_history(ds->source, 1, &dc->history, &ignored);
    return 0;
}

/* What was accepted; null of what is not known, because it was sent whole. */
static json_t *
accepted_json(const struct dataset_call *dc, const struct dataset_state *state)
{
    static const char *const counts[] = { "added", "changed", "removed" };
    const json_t *entry = json_array_get(dc->history, 0);
    bool published = dc->published.published;
    json_t *json =
        json_pack("{s:I, s:b, s:I}", "revision", (json_int_t)state->revision,
            "published", published ? 1 : 0, "rows", (json_int_t)state->rows);

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        json_t *count = json_object_get(entry, counts[i]);

        json_object_set_new(json, counts[i],
            !published      ? json_integer(0)
            : count != NULL ? json_incref(count)
                            : json_null());
    }
    return json;
}

static void
accept_done(struct dataset *ds, void *arg, const struct err *e)
{
    const struct dataset_state *state = &ds->view.state;
    struct engine *engine = ds->engine;
    struct dataset_call *dc = arg;
    json_t *result;

    if (e->code == ERR_NONE) {
        events_add(engine->events, "info", "accepted", NULL, ds->name,
            "what was held is published as revision %llu, accepted by %s",
            (unsigned long long)state->revision, control_who(dc->call));
        if (engine->fleet != NULL)
            fleet_changed(engine->fleet, ds->name);
    }
    result = accepted_json(dc, state);
    json_decref(dc->history);
    finish(dc, result, e);
}

static void
run_accept(struct control_call *call)
{
    start(call, DATASET_SOURCE, accept_work, accept_done);
}

static const char *const no_arguments[] = { NULL };
static const char *const name_arguments[] = { "name", NULL };
static const char *const show_arguments[] = { "name", "revision", "limit",
    NULL };

const struct control_command control_dataset_commands[] = {
    { "dataset list", 0, ROLE_VIEWER, no_arguments, run_list },
    { "dataset show", 0, ROLE_VIEWER, show_arguments, run_show },
    { "dataset verify", 0, ROLE_ADMIN, name_arguments, run_verify },
    { "dataset accept", CONTROL_CHANGES, ROLE_ADMIN, name_arguments,
        run_accept },
    { NULL, 0, ROLE_NONE, NULL, NULL },
};

/*
 * The commands "dataset diff", "dataset history" and the rows of "dataset
 * show": what would be sent and what was, with secrets masked (diff_run.c).
 */
#include "daemon/control_diff.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "daemon/engine.h"
#include "daemon/fleet.h"

#define HISTORY_DEFAULT 20
#define HISTORY_MAX 10000

void
diff_show_revision(struct control_call *call, int64_t revision)
{
    const struct dataset *ds = control_dataset(call);
    struct diff_units units = { 0 };
    struct diff_unit *unit;
    struct err e = ERR_INIT;

    if (ds == NULL)
        return;
    if (control_role(call) != ROLE_ADMIN) {
        err_set(&e, ERR_PERMISSION, "only an administrator may see rows");
        control_fail(call, &e);
        return;
    }
    unit = diff_units_add(&units);
    unit->kind = DIFF_REVISION;
    unit->revision = (uint64_t)revision;
    snprintf(unit->dataset, sizeof(unit->dataset), "%s", ds->name);
    diff_run(call, &units, DIFF_ONE);
}

static void
run_diff(struct control_call *call)
{
    struct engine *engine = control_engine(call);
    struct dataset *ds = control_dataset(call);
    struct diff_units units = { 0 };
    struct diff_unit *unit;
    struct err e = ERR_INIT;
    const char *server = NULL;

    if (ds == NULL)
        return;
    unit = diff_units_add(&units);
    unit->kind = DIFF_UNPUBLISHED;
    snprintf(unit->dataset, sizeof(unit->dataset), "%s", ds->name);
    if (json_member_string(control_args(call), "server", false, &server, &e) !=
            0 ||
        (server != NULL &&
            fleet_diff_unit(engine->fleet, server, ds, unit, &e) != 0)) {
        diff_units_release(&units);
        control_fail(call, &e);
        return;
    }
    diff_run(call, &units, DIFF_ONE);
}

struct history_call {
    struct control_call *call;
    int64_t limit;
    json_t *list;
};

static int
history_work(struct dataset *ds, void *arg, struct err *e)
{
    struct history_call *h = arg;

    return source_history(ds->source, (size_t)h->limit, &h->list, e);
}

static void
history_done(struct dataset *ds, void *arg, const struct err *e)
{
    struct history_call *h = arg;

    if (e->code != ERR_NONE)
        control_fail(h->call, e);
    else
        control_finish(h->call,
            json_pack("{s:s, s:O}", "dataset", ds->name, "history", h->list));
    json_decref(h->list);
    free(h);
}

static void
run_history(struct control_call *call)
{
    struct dataset *ds = control_dataset(call);
    struct history_call *h;
    struct err e = ERR_INIT;
    int64_t limit = HISTORY_DEFAULT;

    if (ds == NULL)
        return;
    if (json_member_int(control_args(call), "limit", false, &limit, &e) == 0 &&
        (limit < 1 || limit > HISTORY_MAX))
        err_set(&e, ERR_INVALID, "a limit of %lld is out of range 1 to %d",
            (long long)limit, HISTORY_MAX);
    if (e.code != ERR_NONE) {
        control_fail(call, &e);
        return;
    }
    h = alloc_zeroed(1, sizeof(*h));
    h->call = call;
    h->limit = limit;
    dataset_run_on(ds, DATASET_SOURCE,
        &(struct dataset_job){ .work = history_work,
            .done = history_done,
            .arg = h });
}

static const char *const diff_arguments[] = { "name", "server", "limit", NULL };
static const char *const history_arguments[] = { "name", "limit", NULL };

const struct control_command control_diff_commands[] = {
    { "dataset diff", CONTROL_CHANGES, ROLE_ADMIN, diff_arguments, run_diff },
    { "dataset history", CONTROL_CHANGES, ROLE_VIEWER, history_arguments,
        run_history },
    { NULL, 0, ROLE_NONE, NULL, NULL },
};

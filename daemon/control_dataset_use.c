/*
 * Commands that take a configured dataset into use and out of it: attach,
 * remove (with the secondaries), detach (on one of them), capture.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/json.h"
#include "daemon/control.h"
#include "daemon/datasets.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/fleet.h"

struct use_call {
    struct control_call *call;
    struct engine *engine;
    struct dataset *ds; /* NULL for attach */
    char name[64];
    bool force;
    bool on; /* capture */
    json_t *servers;
};

static struct use_call *
use_call_new(struct control_call *call, const char *name, struct dataset *ds)
{
    struct use_call *u = alloc_zeroed(1, sizeof(*u));

    u->call = call;
    u->engine = control_engine(call);
    u->ds = ds;
    snprintf(u->name, sizeof(u->name), "%s", name);
    return u;
}

static void
use_call_free(struct use_call *u)
{
    json_decref(u->servers);
    free(u);
}

static void
use_call_fail(struct use_call *u, const struct err *e)
{
    control_fail(u->call, e);
    use_call_free(u);
}

/* The configured dataset that the call names, in use and at rest; NULL with the
 * call failed. */
static struct dataset *
named_dataset(struct control_call *call)
{
    struct engine *engine = control_engine(call);
    struct dataset *ds = NULL;
    const char *name = NULL;
    struct err e = ERR_INIT;

    if (json_member_string(control_args(call), "name", true, &name, &e) != 0)
        goto out;
    ds = datasets_find(engine->datasets, name);
    if (ds == NULL) {
        dataset_not_here(engine, name, &e);
    } else if (dataset_is_built_in(ds)) {
        err_set(&e, ERR_INVALID, "dataset \"%s\" is Lockstep's own", name);
        err_hint(&e, "Only datasets of the configuration come and go.");
        ds = NULL;
    } else if (!ds->active) {
        err_set(&e, ERR_BUSY, "dataset \"%s\" is being removed", name);
        ds = NULL;
    }
out:
    if (ds == NULL)
        control_fail(call, &e);
    return ds;
}

/* Who may say so over a push connection: our own primary. */
static int
check_cluster(struct control_call *call, struct err *e)
{
    const struct node *node = &control_engine(call)->node;
    const char *text = NULL;
    uint8_t cluster[ID_SIZE];

    if (json_member_string(control_args(call), "cluster",
            control_role(call) == ROLE_PUSH, &text, e) != 0)
        return -1;
    if (text != NULL && (!hex_decode(text, cluster, ID_SIZE) ||
                            memcmp(cluster, node->cluster, ID_SIZE) != 0))
        return err_set(e, ERR_OTHER_CLUSTER,
            "this node belongs to another cluster");
    return 0;
}

/* Remove. */

static void
use_again(struct use_call *u)
{
    if (u->engine->stopping)
        return;
    u->ds->active = true;
    fleet_datasets_changed(u->engine->fleet);
    fleet_tell(u->engine->fleet, "dataset attach", u->name, NULL, NULL);
}

static void
removed(void *ctx, const struct err *e)
{
    struct use_call *u = ctx;

    if (e->code != ERR_NONE) {
        use_again(u);
        use_call_fail(u, e);
        return;
    }
    events_add(u->engine->events, "info", "dataset-removed", NULL, u->name,
        "removed by %s; nothing of Lockstep is left in \"%s\"",
        control_who(u->call), u->ds->live_path);
    control_finish(u->call,
        json_pack("{s:s, s:s, s:O, s:s}", "removed", u->name, "path",
            u->ds->live_path, "servers", u->servers, "note",
            "It stays detached until its section is gone from the "
            "configuration, or \"lockstep dataset attach\"."));
    use_call_free(u);
}

static void
secondaries_told(void *ctx, json_t *servers, const struct err *e)
{
    struct use_call *u = ctx;
    struct err refused;

    u->servers = json_incref(servers);
    if (e == NULL || u->force) {
        dataset_remove(u->ds, removed, u);
        return;
    }
    refused = *e;
    err_wrap(&refused, "could not remove dataset \"%s\" everywhere", u->name);
    err_hint(&refused,
        "With --force it is removed all the same; then run \"lockstep dataset "
        "detach %s\" there.",
        u->name);
    use_again(u);
    use_call_fail(u, &refused);
}

static int
check_reachable(struct use_call *u, struct err *e)
{
    const char *name = fleet_first_unreachable(u->engine->fleet);

    if (name == NULL || u->force)
        return 0;
    err_set(e, ERR_UNREACHABLE,
        "\"%s\" is not reachable, so what is ours would stay in its copy",
        name);
    err_hint(e,
        "With --force it is removed all the same; then run \"lockstep dataset "
        "detach %s\" there.",
        u->name);
    return -1;
}

static void
run_remove(struct control_call *call)
{
    struct dataset *ds = named_dataset(call);
    struct err e = ERR_INIT;
    struct use_call *u;

    if (ds == NULL)
        return;
    u = use_call_new(call, ds->name, ds);
    if (json_member_bool(control_args(call), "force", false, &u->force, &e) !=
            0 ||
        check_reachable(u, &e) != 0) {
        use_call_fail(u, &e);
        return;
    }
    /* From now on nothing is sent that could bring it back there. */
    ds->active = false;
    fleet_datasets_changed(u->engine->fleet);
    fleet_tell(u->engine->fleet, "dataset detach", u->name, secondaries_told,
        u);
}

/* Detach, on a secondary. */

static void
detached(void *ctx, const struct err *e)
{
    struct use_call *u = ctx;

    if (e->code != ERR_NONE) {
        use_call_fail(u, e);
        return;
    }
    events_add(u->engine->events, "info", "dataset-detached", NULL, u->name,
        "detached by %s; nothing of Lockstep is left in \"%s\"",
        control_who(u->call), u->ds->live_path);
    control_finish(u->call, json_pack("{s:b}", "done", 1));
    use_call_free(u);
}

static void
run_detach(struct control_call *call)
{
    struct engine *engine = control_engine(call);
    struct dataset *ds;
    const char *name = NULL;
    struct err e = ERR_INIT;

    if (json_member_string(control_args(call), "name", true, &name, &e) != 0 ||
        check_cluster(call, &e) != 0)
        goto fail;
    if (engine->node.role != NODE_SECONDARY) {
        err_set(&e, ERR_ROLE, "this node is no secondary but %s",
            node_role_name(engine->node.role));
        err_hint(&e, "\"lockstep dataset remove\" is the command here.");
        goto fail;
    }
    if (datasets_find(engine->datasets, name) == NULL) {
        control_finish(call, json_pack("{s:b}", "done", 0));
        return;
    }
    ds = named_dataset(call);
    if (ds != NULL)
        dataset_remove(ds, detached, use_call_new(call, name, ds));
    return;
fail:
    control_fail(call, &e);
}

/* Attach. */

static void
attached_everywhere(void *ctx, json_t *servers, const struct err *e)
{
    struct use_call *u = ctx;

    (void)e;
    control_finish(u->call,
        json_pack("{s:b, s:O}", "done", 1, "servers", servers));
    use_call_free(u);
}

static int
no_work(struct dataset *ds, void *arg, struct err *e)
{
    (void)ds;
    (void)arg;
    (void)e;
    return 0;
}

static void
attached(struct dataset *ds, void *arg, const struct err *e)
{
    struct use_call *u = arg;
    struct engine *engine = u->engine;

    if (e->code != ERR_NONE || engine->stopping) {
        use_call_fail(u, e);
        return;
    }
    events_add(engine->events, "info", "dataset-attached", NULL, ds->name,
        "attached by %s", control_who(u->call));
    fleet_tell(engine->fleet, "dataset attach", ds->name, attached_everywhere,
        u);
}

static void
run_attach(struct control_call *call)
{
    struct engine *engine = control_engine(call);
    enum dataset_mark mark;
    struct dataset *ds;
    const char *name = NULL;
    struct err e = ERR_INIT;

    if (json_member_string(control_args(call), "name", true, &name, &e) != 0 ||
        check_cluster(call, &e) != 0 ||
        dataset_mark_get(engine, name, &mark, &e) != 0)
        goto fail;
    if (mark == DATASET_DETACHED &&
        dataset_mark_set(engine, name, DATASET_PLAIN, &e) != 0)
        goto fail;
    if (mark == DATASET_DETACHED)
        datasets_follow_settings(engine->datasets);
    ds = datasets_find(engine->datasets, name);
    if (ds == NULL) {
        dataset_not_here(engine, name, &e);
        goto fail;
    }
    dataset_run(ds, &(struct dataset_job){ .work = no_work,
                        .done = attached,
                        .arg = use_call_new(call, name, ds) });
    return;
fail:
    control_fail(call, &e);
}

/* Capture. */

static void
capture_set(void *ctx, const struct err *e)
{
    struct use_call *u = ctx;

    if (e->code != ERR_NONE) {
        use_call_fail(u, e);
        return;
    }
    events_add(u->engine->events, u->on ? "info" : "warning", "capture", NULL,
        u->name, "capture was switched %s by %s", u->on ? "on" : "off",
        control_who(u->call));
    if (!u->engine->stopping)
        fleet_datasets_changed(u->engine->fleet);
    control_finish(u->call, dataset_json(u->ds));
    use_call_free(u);
}

static void
run_capture(struct control_call *call)
{
    struct dataset *ds = named_dataset(call);
    struct err e = ERR_INIT;
    struct use_call *u;

    if (ds == NULL)
        return;
    u = use_call_new(call, ds->name, ds);
    if (json_member_bool(control_args(call), "on", true, &u->on, &e) != 0)
        use_call_fail(u, &e);
    else if (ds->view.error.code != ERR_NONE)
        use_call_fail(u, &ds->view.error);
    else
        dataset_set_capture(ds, u->on, capture_set, u);
}

static const char *const remove_arguments[] = { "name", "force", NULL };
static const char *const attach_arguments[] = { "name", "cluster", NULL };
static const char *const capture_arguments[] = { "name", "on", NULL };

const struct control_command control_dataset_use_commands[] = {
    { "dataset remove", CONTROL_CHANGES, ROLE_ADMIN, remove_arguments,
        run_remove },
    { "dataset detach", 0, ROLE_PUSH, attach_arguments, run_detach },
    { "dataset attach", 0, ROLE_PUSH, attach_arguments, run_attach },
    { "dataset capture", CONTROL_CHANGES, ROLE_ADMIN, capture_arguments,
        run_capture },
    { NULL, 0, ROLE_NONE, NULL, NULL },
};

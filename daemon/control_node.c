/*
 * Commands about this node: status, events, and what it belongs to.
 * "doctor" is in doctor.c.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "daemon/control.h"
#include "daemon/datasets.h"
#include "daemon/doctor.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/join.h"
#include "daemon/fleet_events.h"
#include "daemon/node_keys.h"
#include "daemon/node_role.h"
#include "daemon/status.h"

#define EVENTS_DEFAULT 200
#define EVENTS_MAX 10000

static void
run_status(struct control_call *call)
{
    control_finish(call, status_json(control_engine(call)));
}

/* A moment, or how long ago: "2026-01-02", "2h". */
static int
parse_since(const char *text, int64_t *since_ms, struct err *e)
{
    struct err ignored = ERR_INIT;
    int64_t ago_ms;

    if (clock_parse_duration(text, &ago_ms, &ignored) == 0) {
        *since_ms = clock_utc_ms() - ago_ms;
        return 0;
    }
    return clock_parse(text, since_ms, e);
}

static bool
concerns(const json_t *event, const char *server)
{
    static const char *const members[] = { "server", "node" };
    size_t i;

    for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        const char *name =
            json_string_value(json_object_get(event, members[i]));

        if (name != NULL && strcmp(name, server) == 0)
            return true;
    }
    return false;
}

static json_t *
only_of(json_t *events, const char *server, int64_t limit)
{
    json_t *kept = json_array();
    size_t skip = 0;
    json_t *event;
    size_t i;

    json_array_foreach (events, i, event) {
        if (server == NULL || concerns(event, server))
            json_array_append(kept, event);
    }
    json_decref(events);
    if (json_array_size(kept) > (size_t)limit)
        skip = json_array_size(kept) - (size_t)limit;
    while (skip-- > 0)
        json_array_remove(kept, 0);
    return kept;
}

static int
earlier(const void *a, const void *b)
{
    const char *one =
        json_string_value(json_object_get(*(json_t *const *)a, "time"));
    const char *two =
        json_string_value(json_object_get(*(json_t *const *)b, "time"));

    /* All in UTC and equally long. */
    return strcmp(one != NULL ? one : "", two != NULL ? two : "");
}

/* By time; those of one node stay in their order as far as their clock does. */
static json_t *
in_order(json_t *events)
{
    size_t count = json_array_size(events);
    json_t **sorted = alloc_zeroed(count + 1, sizeof(json_t *));
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        sorted[i] = json_array_get(events, i);
    qsort(sorted, count, sizeof(json_t *), earlier);
    for (size_t i = 0; i < count; i++)
        json_array_append(list, sorted[i]);
    free(sorted);
    json_decref(events);
    return list;
}

/* For another node that collects ours. */
static void
finish_after(struct control_call *call, int64_t after, int64_t limit)
{
    struct events *events = control_engine(call)->events;

    control_finish(call,
        json_pack("{s:o, s:I}", "events",
            events_after(events, (uint64_t)after, (size_t)limit), "newest",
            (json_int_t)events_newest(events)));
}

static json_t *
find_events(struct engine *engine, const char *server, bool all,
    int64_t since_ms, int64_t limit)
{
    bool some = server != NULL && !all;
    json_t *events = events_list(engine->events, since_ms,
        some ? EVENTS_MAX : (size_t)limit);
    json_t *others;

    if (server == NULL && !all)
        return only_of(events, NULL, limit);
    if (some)
        events = only_of(events, server, EVENTS_MAX);
    others = fleet_events(engine->fleet, all ? NULL : server, since_ms,
        (size_t)limit);
    json_array_extend(events, others);
    json_decref(others);
    return only_of(in_order(events), NULL, limit);
}

static void
run_events_list(struct control_call *call)
{
    const json_t *args = control_args(call);
    int64_t limit = EVENTS_DEFAULT, after = -1;
    const char *server = NULL;
    const char *since = NULL;
    struct err e = ERR_INIT;
    int64_t since_ms = 0;
    bool all = false;

    if (json_member_string(args, "since", false, &since, &e) != 0 ||
        json_member_string(args, "server", false, &server, &e) != 0 ||
        json_member_bool(args, "all", false, &all, &e) != 0 ||
        json_member_int(args, "after", false, &after, &e) != 0 ||
        json_member_int(args, "limit", false, &limit, &e) != 0)
        goto fail;
    if (since != NULL && parse_since(since, &since_ms, &e) != 0)
        goto fail;
    if (limit < 1 || limit > EVENTS_MAX) {
        err_set(&e, ERR_INVALID, "\"limit\" is 1 to %d", EVENTS_MAX);
        goto fail;
    }
    if (after >= 0)
        finish_after(call, after, limit);
    else
        control_finish(call, json_pack("{s:o}", "events",
                                 find_events(control_engine(call), server, all,
                                     since_ms, limit)));
    return;
fail:
    control_fail(call, &e);
}

static json_t *
node_json(const struct engine *engine)
{
    const struct node *node = &engine->node;
    json_t *json = json_object();

    json_object_set_new(json, "id", json_hex(node->id, ID_SIZE));
    json_object_set_new(json, "name", json_text(node->name));
    json_object_set_new(json, "role", json_text(node_role_name(node->role)));
    json_object_set_new(json, "version", json_text(LOCKSTEP_VERSION));
    return json;
}

static json_t *
facts_json(struct control_call *call)
{
    const struct engine *engine = control_engine(call);
    const struct node *node = &engine->node;
    json_t *datasets = json_array();
    json_t *json = json_object();
    struct err e = ERR_INIT;
    uint64_t bytes_free = 0;
    size_t i;

    for (i = 0; i < datasets_count(engine->datasets); i++)
        json_array_append_new(datasets,
            dataset_json(datasets_at(engine->datasets, i)));
    file_free_bytes(engine->settings.state_dir, &bytes_free, &e);
    json_object_set_new(json, "node", node_json(engine));
    json_object_set_new(json, "address", json_text(control_address(call)));
    json_object_set_new(json, "datasets", datasets);
    json_object_set_new(json, "disk_free",
        json_integer((json_int_t)bytes_free));
    if (control_role(call) == ROLE_JOIN)
        json_object_set_new(json, "join_proof", join_proof_json(engine));
    json_object_set_new(json, "cluster",
        node->role == NODE_STANDALONE
            ? json_null()
            : json_pack("{s:o, s:o}", "id", json_hex(node->cluster, ID_SIZE),
                  "name", json_text(node->cluster_name)));
    return json;
}

static int
read_bytes(const json_t *args, const char *name, void *out, size_t len,
    struct err *e)
{
    const char *text = NULL;

    if (json_member_string(args, name, true, &text, e) != 0)
        return -1;
    if (!hex_decode(text, out, len))
        return err_set(e, ERR_INVALID, "\"%s\" needs %zu hex digits", name,
            2 * len);
    return 0;
}

static int
read_enrollment(const json_t *args, struct enrollment *en, uint8_t **login_blob,
    struct err *e)
{
    const char *line = NULL;
    char *comment = NULL;
    int64_t epoch = 0;

    if (read_bytes(args, "cluster", en->cluster, ID_SIZE, e) != 0 ||
        read_bytes(args, "primary_id", en->primary_id, ID_SIZE, e) != 0 ||
        read_bytes(args, "bundle_key", en->bundle_key, ED25519_PUBLIC_SIZE,
            e) != 0)
        return -1;
    if (json_member_string(args, "cluster_name", true, &en->cluster_name, e) !=
            0 ||
        json_member_string(args, "primary_name", true, &en->primary_name, e) !=
            0 ||
        json_member_string(args, "fingerprint", true, &en->fingerprint, e) !=
            0 ||
        json_member_string(args, "login_key", true, &line, e) != 0 ||
        json_member_int(args, "epoch", true, &epoch, e) != 0)
        return -1;
    if (epoch < 0 || strlen(en->cluster_name) > 255 ||
        strlen(en->primary_name) > 255 || strlen(en->fingerprint) > 63)
        return err_set(e, ERR_INVALID, "the enrolment is malformed");
    en->epoch = (uint64_t)epoch;
    if (keys_parse_line(line, login_blob, &en->login_blob_len, &comment, e) !=
        0)
        return -1;
    en->login_blob = *login_blob;
    free(comment);
    return 0;
}

/* A call that waits for the datasets to change hands. */
static void
enrolled(void *ctx, const struct err *e)
{
    struct control_call *call = ctx;

    if (e->code != ERR_NONE)
        control_fail(call, e);
    else
        control_finish(call, facts_json(call));
}

static void
run_join(struct control_call *call)
{
    const json_t *file = json_member(control_args(call), "file");
    struct err e = ERR_INIT;

    if (!json_is_object(file)) {
        err_set(&e, ERR_INVALID, "\"file\" must be an object");
        control_fail(call, &e);
    } else if (join_accept(control_engine(call), file, &e) != 0) {
        control_fail(call, &e);
    } else {
        control_finish(call, json_pack("{s:O, s:O}", "primary_name",
                                 json_member(file, "primary_name"), "expires",
                                 json_member(file, "expires")));
    }
}

static void
run_enroll(struct control_call *call)
{
    struct engine *engine = control_engine(call);
    const json_t *args = control_args(call);
    struct enrollment en = { .epoch = 0 };
    uint8_t *login_blob = NULL;
    struct err e = ERR_INIT;
    bool dry_run = false;

    if (read_enrollment(args, &en, &login_blob, &e) != 0 ||
        json_member_bool(args, "dry_run", false, &dry_run, &e) != 0 ||
        (control_role(call) == ROLE_JOIN &&
            join_check_enrollment(engine, &en, &e) != 0) ||
        node_may_enroll(engine, &en, &e) != 0)
        goto fail;
    en.primary_address = control_address(call);
    if (dry_run) {
        control_finish(call, facts_json(call));
        goto out;
    }
    if (en.epoch == 0) {
        err_set(&e, ERR_INVALID, "an epoch begins at 1");
        goto fail;
    }
    if (node_enroll(engine, &en, enrolled, call, &e) != 0)
        goto fail;
    join_close(engine);
    goto out;
fail:
    control_fail(call, &e);
out:
    free(login_blob);
}

static void
released(void *ctx, const struct err *e)
{
    struct control_call *call = ctx;

    if (e->code != ERR_NONE)
        control_fail(call, e);
    else
        control_finish(call, json_pack("{s:b}", "released", 1));
}

static void
run_release(struct control_call *call)
{
    struct engine *engine = control_engine(call);
    uint8_t cluster[ID_SIZE];
    struct err e = ERR_INIT;

    if (read_bytes(control_args(call), "cluster", cluster, ID_SIZE, &e) != 0)
        goto fail;
    if (engine->node.role != NODE_SECONDARY) {
        control_finish(call, json_pack("{s:b}", "released", 0));
        return;
    }
    if (memcmp(cluster, engine->node.cluster, ID_SIZE) != 0) {
        err_set(&e, ERR_OTHER_CLUSTER, "this node belongs to cluster \"%s\"",
            engine->node.cluster_name);
        goto fail;
    }
    if (node_leave(engine, released, call, &e) == 0)
        return;
fail:
    control_fail(call, &e);
}

static void
detached(void *ctx, const struct err *e)
{
    struct control_call *call = ctx;

    if (e->code != ERR_NONE)
        control_fail(call, e);
    else
        control_finish(call,
            json_pack("{s:o}", "node", node_json(control_engine(call))));
}

static void
run_detach(struct control_call *call)
{
    struct engine *engine = control_engine(call);
    struct err e = ERR_INIT;

    if (engine->node.role != NODE_SECONDARY) {
        err_set(&e, ERR_ROLE, "this node is no secondary but %s",
            node_role_name(engine->node.role));
        goto fail;
    }
    if (node_leave(engine, detached, call, &e) == 0)
        return;
fail:
    control_fail(call, &e);
}

static void
run_drain(struct control_call *call)
{
    struct engine *engine = control_engine(call);
    struct node *node = &engine->node;
    bool was = node->drained;
    struct err e = ERR_INIT;

    if (json_member_bool(control_args(call), "on", true, &node->drained, &e) !=
            0 ||
        (node->drained != was && node_save(node, &e) != 0)) {
        node->drained = was;
        control_fail(call, &e);
        return;
    }
    if (node->drained != was)
        events_add(engine->events, "info", "drain", NULL, NULL,
            node->drained ? "takes no new logins, by %s"
                          : "takes logins again, by %s",
            control_who(call));
    control_finish(call, json_pack("{s:b}", "drained", node->drained));
}

static const char *const drain_arguments[] = { "on", NULL };
static const char *const join_arguments[] = { "file", NULL };
static const char *const no_arguments[] = { NULL };
static const char *const events_arguments[] = { "since", "limit", "server",
    "all", "after", NULL };
static const char *const enroll_arguments[] = { "cluster", "cluster_name",
    "epoch", "primary_id", "primary_name", "login_key", "bundle_key",
    "fingerprint", "dry_run", NULL };
static const char *const keys_arguments[] = { "cluster", "epoch", "primary_id",
    "keys", "signature", "host_key_next", NULL };
static const char *const release_arguments[] = { "cluster", NULL };

const struct control_command control_node_commands[] = {
    { "status", CONTROL_ANY_ROLE, ROLE_VIEWER, no_arguments, run_status },
    { "events list", CONTROL_ANY_ROLE, ROLE_VIEWER, events_arguments,
        run_events_list },
    { "node join", 0, ROLE_ADMIN, join_arguments, run_join },
    { "node enroll", CONTROL_JOINS, ROLE_ADMIN, enroll_arguments, run_enroll },
    { "node keys", 0, ROLE_PUSH, keys_arguments, node_keys_run },
    { "node release", 0, ROLE_PUSH, release_arguments, run_release },
    { "node detach", 0, ROLE_ADMIN, no_arguments, run_detach },
    { "node drain", 0, ROLE_ADMIN, drain_arguments, run_drain },
    { "doctor", 0, ROLE_VIEWER, no_arguments, doctor_run },
    { NULL, 0, ROLE_NONE, NULL, NULL },
};

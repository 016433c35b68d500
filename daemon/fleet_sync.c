/*
 * The commands "sync now", "sync status", "sync config".
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "daemon/events.h"
#include "daemon/fleet_internal.h"

#define WAIT_MS 30000
#define INTERVAL_MIN_MS 1000
#define INTERVAL_MAX_MS (24 * 60 * 60 * 1000)

/* "sync now" */

struct sync_call {
    size_t count;
    bool wait;
    const char *names; /* behind the numbers */
    size_t before_count;
    uint64_t before[]; /* revisions, one per publication of that moment */
};

static json_t *
published_json(struct fleet *fleet, const struct sync_call *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->before_count; i++) {
        const struct publication *p = fleet->publications[i];
        uint64_t revision = p->ds->view.state.revision;

        if (!p->ds->active || revision == s->before[i])
            continue;
        json_array_append_new(list,
            json_pack("{s:s, s:I, s:I}", "dataset", p->ds->name, "revision",
                (json_int_t)revision, "rows", (json_int_t)p->published_rows));
    }
    return list;
}

/* The names of a call, one terminated string after another. */
static bool
sync_concerns(const struct sync_call *s, const struct server *server)
{
    const char *name = s->names;

    if (s->count == 0)
        return !server->record.paused;
    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(name, server->record.name) == 0)
            return true;
        name += strlen(name) + 1;
    }
    return false;
}

static int
sync_held(const struct fleet *fleet, struct err *e)
{
    for (size_t i = 0; i < fleet->publication_count; i++) {
        const struct publication *p = fleet->publications[i];

        if (!p->ds->active || p->error.code == ERR_NONE)
            continue;
        *e = p->error;
        return -1;
    }
    return 0;
}

static void
sync_finish(const struct waiter *w, struct fleet *fleet,
    struct control_call *call, void *arg)
{
    struct sync_call *s = arg;
    json_t *servers = json_array();
    struct err e = ERR_INIT;
    size_t failed = 0;
    size_t concerned = 0;

    for (size_t i = 0; i < fleet->server_count; i++) {
        const struct server *server = fleet->servers[i];
        enum peer_state state = server_state(server);

        if (!sync_concerns(s, server))
            continue;
        concerned++;
        if (s->wait && !waiter_has(w, server)) {
            failed++;
            err_set(&e, ERR_PARTLY, "\"%s\" is %s%s%s", server->record.name,
                peer_state_name(state),
                server->error.code == ERR_NONE ? "" : ": ",
                server->error.message);
            err_hint(&e, "%s", server->error.hint);
        }
        json_array_append_new(servers,
            json_pack("{s:s, s:s, s:o}", "name", server->record.name, "state",
                peer_state_name(state), "error",
                server->error.code == ERR_NONE ? json_null()
                                               : json_error(&server->error)));
    }
    if (sync_held(fleet, &e) == 0 && failed > 1)
        err_wrap(&e, "%zu of %zu servers are not synchronized", failed,
            concerned);
    if (e.code != ERR_NONE) {
        json_decref(servers);
        control_fail(call, &e);
    } else {
        control_finish(call, json_pack("{s:o, s:o}", "published",
                                 published_json(fleet, s), "servers", servers));
    }
    free(s);
}

/* Collects the names; NULL and the call failed when one is unknown. */
static struct sync_call *
sync_call_new(struct control_call *call, struct fleet *fleet)
{
    const json_t *names = json_member(control_args(call), "servers");
    struct buf text = BUF_INIT;
    struct err e = ERR_INIT;
    struct sync_call *s = NULL;
    size_t before_size;
    size_t i;
    const json_t *item;

    json_array_foreach (names, i, item) {
        const char *name = json_string_value(item);

        if (name == NULL || fleet_find(fleet, name) == NULL) {
            err_set(&e, ERR_NOT_FOUND, "there is no server \"%s\"",
                name == NULL ? "" : name);
            err_hint(&e, "\"lockstep server list\" shows the servers.");
            control_fail(call, &e);
            goto out;
        }
        buf_put(&text, name, strlen(name) + 1);
    }
    before_size = fleet->publication_count * sizeof(s->before[0]);
    s = alloc_zeroed(1, sizeof(*s) + before_size + text.len + 1);
    s->count = json_array_size(names);
    s->before_count = fleet->publication_count;
    s->names = (const char *)s->before + before_size;
    if (text.len > 0)
        memcpy((char *)s->before + before_size, text.data, text.len);
    for (i = 0; i < s->before_count; i++)
        s->before[i] = fleet->publications[i]->ds->view.state.revision;
out:
    buf_release(&text);
    return s;
}

static void
sync_start(struct control_call *call, struct fleet *fleet, bool wait,
    int64_t timeout_ms)
{
    struct sync_call *s = sync_call_new(call, fleet);
    struct server **servers;
    size_t count = 0;

    if (s == NULL)
        return;
    s->wait = wait;
    servers = alloc_zeroed(fleet->server_count + 1, sizeof(*servers));
    for (size_t i = 0; i < fleet->server_count; i++) {
        if (wait && sync_concerns(s, fleet->servers[i]))
            servers[count++] = fleet->servers[i];
    }
    fleet_wait(fleet, call, servers, count, timeout_ms, false, sync_finish, s);
    free(servers);
    if (s->count == 0) {
        fleet_begin_round(fleet, NULL);
        return;
    }
    for (size_t i = 0; i < fleet->server_count; i++) {
        if (sync_concerns(s, fleet->servers[i]))
            fleet_ask(fleet->servers[i]);
    }
    fleet_publish(fleet, NULL);
}

void
command_sync_now(struct control_call *call)
{
    struct fleet *fleet = control_engine(call)->fleet;
    const json_t *args = control_args(call);
    struct err e = ERR_INIT;
    bool wait = false;
    bool dry_run = false;
    int64_t timeout_ms = WAIT_MS;

    if (json_member_bool(args, "wait", false, &wait, &e) != 0 ||
        json_member_bool(args, "dry_run", false, &dry_run, &e) != 0 ||
        json_member_int(args, "timeout_ms", false, &timeout_ms, &e) != 0)
        control_fail(call, &e);
    else if (dry_run)
        command_sync_preview(call);
    else
        sync_start(call, fleet, wait, timeout_ms > 0 ? timeout_ms : WAIT_MS);
}

/* "sync status", "sync config" */

static json_t *
sync_json(struct fleet *fleet)
{
    const struct node *node = &fleet->engine->node;
    const struct settings *settings = &fleet->engine->settings;
    json_t *servers = json_array();
    int64_t now_ms = clock_mono_ms();

    for (size_t i = 0; i < fleet->server_count; i++) {
        const struct server *server = fleet->servers[i];

        json_array_append_new(servers,
            json_pack("{s:s, s:s, s:I, s:o}", "name", server->record.name,
                "state", peer_state_name(server_state(server)), "interval_ms",
                (json_int_t)fleet_interval_ms(server), "next_attempt",
                json_time(clock_utc_ms() + server->due_ms - now_ms)));
    }
    return json_pack("{s:b, s:I, s:b, s:o, s:o, s:{s:I, s:I}}", "enabled",
        node->sync_enabled, "interval_ms", (json_int_t)node->interval_ms,
        "instant", node->instant, "next_push",
        node->sync_enabled
            ? json_time(clock_utc_ms() + fleet->publish_due_ms - now_ms)
            : json_null(),
        "servers", servers, "history", "max_bytes",
        (json_int_t)settings->history_bytes, "max_age_ms",
        (json_int_t)settings->history_age_ms);
}

void
command_sync_status(struct control_call *call)
{
    control_finish(call, sync_json(control_engine(call)->fleet));
}

static int
check_interval(int64_t interval_ms, bool zero, struct err *e)
{
    if ((zero && interval_ms == 0) ||
        (interval_ms >= INTERVAL_MIN_MS && interval_ms <= INTERVAL_MAX_MS))
        return 0;
    err_set(e, ERR_INVALID, "an interval of %lld ms is out of range",
        (long long)interval_ms);
    err_hint(e, "Give 1s to 1d%s.",
        zero ? ", or 0 for the cluster's interval" : "");
    return -1;
}

static int
config_server(struct fleet *fleet, const char *name, int64_t interval_ms,
    struct err *e)
{
    struct server *server = fleet_find(fleet, name);

    if (server == NULL)
        return err_set(e, ERR_NOT_FOUND, "there is no server \"%s\"", name);
    if (interval_ms < 0)
        return err_set(e, ERR_INVALID,
            "only the interval can be set for one server");
    if (check_interval(interval_ms, true, e) != 0)
        return -1;
    server->record.interval_ms = interval_ms;
    server->due_ms = clock_mono_ms();
    server_save(server, true);
    return 0;
}

static int
config_cluster(struct fleet *fleet, const json_t *args, int64_t interval_ms,
    struct err *e)
{
    struct node *node = &fleet->engine->node;
    bool enabled = node->sync_enabled;
    bool instant = node->instant;

    if (json_member_bool(args, "enabled", false, &enabled, e) != 0 ||
        json_member_bool(args, "instant", false, &instant, e) != 0 ||
        (interval_ms >= 0 && check_interval(interval_ms, false, e) != 0))
        return -1;
    node->sync_enabled = enabled;
    node->instant = instant;
    if (interval_ms >= 0)
        node->interval_ms = interval_ms;
    fleet->publish_due_ms = clock_mono_ms();
    for (size_t i = 0; i < fleet->server_count; i++)
        fleet->servers[i]->due_ms = clock_mono_ms();
    return node_save(node, e);
}

void
command_sync_config(struct control_call *call)
{
    struct fleet *fleet = control_engine(call)->fleet;
    const json_t *args = control_args(call);
    const char *name = NULL;
    int64_t interval_ms = -1;
    struct err e = ERR_INIT;

    if (json_member_string(args, "server", false, &name, &e) != 0 ||
        json_member_int(args, "interval_ms", false, &interval_ms, &e) != 0 ||
        (name != NULL ? config_server(fleet, name, interval_ms, &e)
                      : config_cluster(fleet, args, interval_ms, &e)) != 0) {
        control_fail(call, &e);
        return;
    }
    events_add(fleet->engine->events, "info", "sync-config", name, NULL,
        "synchronization was configured by %s", control_who(call));
    fleet_watch_update(fleet);
    fleet_schedule(fleet);
    control_finish(call, sync_json(fleet));
}

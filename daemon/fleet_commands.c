/*
 * The commands "server ..." that change or show what is registered, and the
 * table of all commands of the fleet.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/json.h"
#include "daemon/events.h"
#include "daemon/fleet_internal.h"

/* An overwrite of a large dataset takes its time. */
#define OVERWRITE_WAIT_MS (60 * 60 * 1000)

struct server *
command_server(struct control_call *call)
{
    struct fleet *fleet = control_engine(call)->fleet;
    struct server *server;
    const char *name = NULL;
    struct err e = ERR_INIT;

    if (json_member_string(control_args(call), "name", true, &name, &e) != 0) {
        control_fail(call, &e);
        return NULL;
    }
    server = fleet_find(fleet, name);
    if (server == NULL) {
        err_set(&e, ERR_NOT_FOUND, "there is no server \"%s\"", name);
        err_hint(&e, "\"lockstep server list\" shows the servers.");
        control_fail(call, &e);
    }
    return server;
}

static void
command_server_list(struct control_call *call)
{
    struct err e = ERR_INIT;
    json_t *list =
        fleet_list_json(control_engine(call)->fleet, control_args(call), &e);

    if (list == NULL)
        control_fail(call, &e);
    else
        control_finish(call, list);
}

static void
command_server_show(struct control_call *call)
{
    const struct server *server = command_server(call);
    json_t *list;

    if (server == NULL)
        return;
    list = json_array();
    for (size_t i = 0; i < server->lane_count; i++) {
        const struct lane *lane = server->lanes[i];
        uint64_t now = lane->ds->view.state.revision;

        if (!lane_is_wanted(lane))
            continue;
        json_array_append_new(list,
            json_pack("{s:s, s:I, s:o, s:I, s:o, s:o}", "name", lane->ds->name,
                "revision", (json_int_t)lane->revision, "digest",
                json_hex(lane->digest.sum, HASH_SIZE), "behind",
                (json_int_t)(now > lane->revision ? now - lane->revision : 0),
                "confirmed", json_time(lane->confirmed_ms), "error",
                lane->error.code == ERR_NONE ? json_null()
                                             : json_error(&lane->error)));
    }
    control_finish(call, json_pack("{s:o, s:o}", "server", server_json(server),
                             "datasets", list));
}

static void
command_set_paused(struct control_call *call, bool paused)
{
    struct fleet *fleet = control_engine(call)->fleet;
    struct server *server = command_server(call);

    if (server == NULL)
        return;
    if (server->record.paused != paused) {
        server->record.paused = paused;
        server_save(server, true);
        events_add(fleet->engine->events, "info",
            paused ? "server-paused" : "server-resumed", server->record.name,
            NULL, "%s by %s", paused ? "paused" : "resumed", control_who(call));
        if (paused)
            server_disconnect(server);
        else
            fleet_begin_round(fleet, server);
        fleet_schedule(fleet);
    }
    control_finish(call, server_json(server));
}

static void
command_server_pause(struct control_call *call)
{
    command_set_paused(call, true);
}

static void
command_server_resume(struct control_call *call)
{
    command_set_paused(call, false);
}

/* Overwrite. */

static void
finish_with_server(const struct waiter *w, struct fleet *fleet,
    struct control_call *call, void *arg)
{
    struct server *server = fleet_find(fleet, arg);

    (void)w;
    control_finish(call, server == NULL ? NULL : server_json(server));
    free(arg);
}

static void
command_server_overwrite(struct control_call *call)
{
    struct fleet *fleet = control_engine(call)->fleet;
    struct server *server = command_server(call);

    if (server == NULL)
        return;
    /* Kept in memory only: an agreement that was stored would be acted on by a
     * primary that somebody restored from a backup. */
    for (size_t i = 0; i < server->lane_count; i++)
        server->lanes[i]->force_overwrite = lane_is_wanted(server->lanes[i]);
    events_add(fleet->engine->events, "warning", "overwrite-agreed",
        server->record.name, NULL, "an overwrite was agreed to by %s",
        control_who(call));
    fleet_wait(fleet, call, &server, 1, OVERWRITE_WAIT_MS, true,
        finish_with_server, alloc_string(server->record.name));
    fleet_begin_round(fleet, server);
}

/* The table. */

static const char *const no_arguments[] = { NULL };
static const char *const list_arguments[] = { "filter", "sort", "descending",
    "offset", "limit", NULL };
static const char *const name_argument[] = { "name", NULL };
static const char *const remove_arguments[] = { "name", "force", NULL };
static const char *const probe_arguments[] = { "host", "port", "ticket", NULL };
static const char *const facts_arguments[] = { "host", "port", "user",
    "password", "fingerprint", "trust_on_first_use", "ticket", NULL };
static const char *const add_arguments[] = { "host", "port", "user", "password",
    "fingerprint", "trust_on_first_use", "name", "cluster_name", "narrow",
    "ticket", "join_proof", NULL };
static const char *const trust_arguments[] = { "name", "fingerprint", "user",
    "password", "narrow", "dry_run", "ticket", NULL };
static const char *const sync_now_arguments[] = { "servers", "wait", "dry_run",
    "limit", "timeout_ms", NULL };
static const char *const sync_config_arguments[] = { "interval_ms", "enabled",
    "instant", "server", NULL };

const struct control_command control_fleet_commands[] = {
    { "server list", 0, ROLE_VIEWER, list_arguments, command_server_list },
    { "server show", 0, ROLE_VIEWER, name_argument, command_server_show },
    { "server probe", 0, ROLE_ADMIN, probe_arguments, command_server_probe },
    { "server facts", CONTROL_CHANGES, ROLE_ADMIN, facts_arguments,
        command_server_facts },
    { "server add", CONTROL_CHANGES, ROLE_ADMIN, add_arguments,
        command_server_add },
    { "server cancel", CONTROL_CHANGES, ROLE_ADMIN, probe_arguments,
        command_server_cancel },
    { "server pause", CONTROL_PRIMARY, ROLE_ADMIN, name_argument,
        command_server_pause },
    { "server resume", CONTROL_PRIMARY, ROLE_ADMIN, name_argument,
        command_server_resume },
    { "server remove", CONTROL_PRIMARY, ROLE_ADMIN, remove_arguments,
        command_server_remove },
    { "server trust", CONTROL_PRIMARY, ROLE_ADMIN, trust_arguments,
        command_server_trust },
    { "server overwrite", CONTROL_PRIMARY, ROLE_ADMIN, name_argument,
        command_server_overwrite },
    { "sync now", CONTROL_CHANGES, ROLE_ADMIN, sync_now_arguments,
        command_sync_now },
    { "sync status", 0, ROLE_VIEWER, no_arguments, command_sync_status },
    { "sync config", CONTROL_CHANGES, ROLE_ADMIN, sync_config_arguments,
        command_sync_config },
    { NULL, 0, ROLE_NONE, NULL, NULL },
};

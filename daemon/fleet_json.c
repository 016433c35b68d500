/*
 * The fleet for readers: "server list", health, metrics.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "admin-proto/ssh_client.h"
#include "daemon/fleet_internal.h"
#include "daemon/hooks.h"
#include "daemon/listener.h"

/* What a push may take beyond its interval until a server is late. */
#define PUSH_GRACE_MS 30000

/* A UTC stamp for a moment of the monotonic clock. */
static json_t *
json_monotonic(int64_t mono_ms)
{
    if (mono_ms == INT64_MAX)
        return json_null();
    return json_time(clock_utc_ms() + mono_ms - clock_mono_ms());
}

static json_t *
server_error_json(const struct server *server)
{
    struct err e = ERR_INIT;

    if (server->error.code != ERR_NONE)
        return json_error(&server->error);
    for (size_t i = 0; i < server->lane_count; i++) {
        const struct dataset *ds = server->lanes[i]->ds;

        if (!lane_is_wanted(server->lanes[i]))
            continue;
        if (ds->view.error.code != ERR_NONE)
            return json_error(&ds->view.error);
        if (ds->view.held[0] == '\0')
            continue;
        err_set(&e, ERR_HELD, "dataset \"%s\" is held: %s", ds->name,
            ds->view.held);
        if (ds->view.off)
            err_hint(&e, "\"lockstep dataset capture %s on\" resumes.",
                ds->name);
        else
            err_hint(&e, "Look at it, then run \"lockstep dataset accept %s\".",
                ds->name);
        return json_error(&e);
    }
    if (server->effect.error.code != ERR_NONE)
        return json_error(&server->effect.error);
    return json_null();
}

json_t *
server_json(const struct server *server)
{
    const struct server_record *r = &server->record;
    char fingerprint[64];
    bool known;
    uint64_t behind = server_behind(server, &known);
    int64_t next_ms = server->link == NULL && server->retry_ms > server->due_ms
                          ? server->retry_ms
                          : server->due_ms;
    json_t *json;

    admin_fingerprint(r->host_key, r->host_key_len, fingerprint);
    json = json_pack(
        "{s:s, s:s, s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:I, "
        "s:I, s:I, s:s, s:o, s:o}",
        "name", r->name, "address", r->host, "port", (int)r->port, "state",
        peer_state_name(server_state(server)), "last_synchronized",
        json_time(r->last_synchronized_ms), "last_verified",
        json_time(r->last_verified_ms), "last_attempt",
        json_time(server->last_attempt_ms), "next_attempt",
        server_paused(server) ? json_null() : json_monotonic(next_ms),
        "last_change", json_time(r->last_change_ms), "behind",
        known ? json_integer((json_int_t)behind) : json_null(), "interval_s",
        (json_int_t)(fleet_interval_ms(server) / 1000), "round_trip_ms",
        server->round_trip_us == 0
            ? json_null()
            : json_real((double)server->round_trip_us / 1000.0),
        "overwrites", (json_int_t)r->overwrites, "pushes",
        (json_int_t)r->pushes, "bytes_sent",
        (json_int_t)server_bytes_sent(server), "fingerprint", fingerprint,
        "version", r->version[0] == '\0' ? json_null() : json_text(r->version),
        "error", server_error_json(server));
    json_object_set_new(json, "in_effect", server_effect_json(server));
    json_object_set_new(json, "effect_error",
        server->effect.error.code != ERR_NONE
            ? json_error(&server->effect.error)
            : json_null());
    json_object_set_new(json, "seen_from",
        json_text(r->seen_address[0] != '\0' ? r->seen_address : NULL));
    json_object_set_new(json, "connected_to",
        json_text(r->last_address[0] != '\0' ? r->last_address : NULL));
    json_object_set_new(json, "rule_refused",
        json_text(
            server->rule_refused[0] != '\0' ? server->rule_refused : NULL));
    json_object_set_new(json, "clock_skew_ms",
        server->skew_known ? json_integer(server->skew_ms) : json_null());
    return json;
}

json_t *
fleet_primary_json(struct fleet *fleet)
{
    const struct engine *engine = fleet->engine;
    char *host = NULL;
    uint16_t port = 0;
    struct err e = ERR_INIT;
    json_t *json;

    if (admin_address_parse(listener_address(engine->listener), &host, &port,
            &e) != 0)
        host = alloc_string("");
    json = json_pack(
        "{s:s, s:s, s:i, s:s, s:n, s:n, s:n, s:n, s:n, s:i, s:I, s:n, s:i, "
        "s:i, s:i, s:s, s:s, s:n}",
        "name", engine->node.name, "address", host, "port", (int)port, "state",
        peer_state_name(PEER_PRIMARY), "last_synchronized", "last_verified",
        "last_attempt", "next_attempt", "last_change", "behind", 0,
        "interval_s", (json_int_t)(engine->node.interval_ms / 1000),
        "round_trip_ms", "overwrites", 0, "pushes", 0, "bytes_sent", 0,
        "fingerprint", engine->keys.fingerprint, "version", LOCKSTEP_VERSION,
        "error");
    json_object_set_new(json, "in_effect",
        json_boolean(hooks_all_in_effect(engine->hooks)));
    json_object_set_new(json, "effect_error",
        hooks_error(engine->hooks) != NULL
            ? json_error(hooks_error(engine->hooks))
            : json_null());
    free(host);
    return json;
}

static int
server_worse(const void *a, const void *b)
{
    const struct server *const *one = a;
    const struct server *const *two = b;
    enum peer_state first = server_state(*one);
    enum peer_state second = server_state(*two);

    if (first != second)
        return first < second ? -1 : 1;
    return strcmp((*one)->record.name, (*two)->record.name);
}

json_t *
fleet_json(struct fleet *fleet)
{
    json_t *list = json_array();
    struct server **sorted;

    if (fleet->engine->node.role == NODE_PRIMARY) {
        json_array_append_new(list, fleet_primary_json(fleet));
        sorted = alloc_zeroed(fleet->server_count + 1, sizeof(*sorted));
        memcpy(sorted, fleet->servers, fleet->server_count * sizeof(*sorted));
        qsort(sorted, fleet->server_count, sizeof(*sorted), server_worse);
        for (size_t i = 0; i < fleet->server_count; i++)
            json_array_append_new(list, server_json(sorted[i]));
        free(sorted);
    }
    return json_pack("{s:o}", "servers", list);
}

/* Health. */

static bool
datasets_healthy(const struct fleet *fleet, char *why, size_t why_size)
{
    const struct datasets *datasets = fleet->engine->datasets;

    for (size_t i = 0; i < datasets_count(datasets); i++) {
        const struct dataset *ds = datasets_at(datasets, i);

        if (ds->view.error.code != ERR_NONE) {
            snprintf(why, why_size, "%s", ds->view.error.message);
            return false;
        }
        if (ds->view.held[0] != '\0') {
            snprintf(why, why_size, "dataset \"%s\" is held: %s", ds->name,
                ds->view.held);
            return false;
        }
        if (ds->view.replica.drifted || ds->view.replica.needs_overwrite) {
            snprintf(why, why_size, "dataset \"%s\" differs: %s", ds->name,
                ds->view.replica.reason);
            return false;
        }
    }
    return true;
}

bool
fleet_is_silent(const struct fleet *fleet)
{
    const struct engine *engine = fleet->engine;

    return engine->node.role == NODE_SECONDARY &&
           clock_utc_ms() - engine->node.primary_heard_ms >
               engine->settings.health_stale_ms;
}

bool
fleet_node_healthy(struct fleet *fleet, char *why, size_t why_size)
{
    const struct err *hook = hooks_error(fleet->engine->hooks);

    why[0] = '\0';
    if (!datasets_healthy(fleet, why, why_size))
        return false;
    if (hook != NULL) {
        snprintf(why, why_size, "%s", hook->message);
        return false;
    }
    if (fleet_is_silent(fleet)) {
        snprintf(why, why_size, "the primary \"%s\" has not been heard from",
            fleet->engine->node.primary_name);
        return false;
    }
    return true;
}

bool
fleet_ready_itself(struct fleet *fleet, char *why, size_t why_size)
{
    if (!fleet_node_healthy(fleet, why, why_size))
        return false;
    if (fleet->engine->node.drained)
        snprintf(why, why_size,
            "drained: takes no new logins until \"lockstep node drain off\"");
    return !fleet->engine->node.drained;
}

/* Between two pushes every server is behind; that is as it should be. */
static bool
is_on_its_way(const struct server *server)
{
    int64_t since_ms = clock_utc_ms() - server->record.last_synchronized_ms;

    return server->error.code == ERR_NONE &&
           since_ms <= fleet_interval_ms(server) + PUSH_GRACE_MS;
}

bool
fleet_healthy(struct fleet *fleet, char *why, size_t why_size)
{
    if (!fleet_ready_itself(fleet, why, why_size))
        return false;
    for (size_t i = 0; i < fleet->server_count; i++) {
        const struct server *server = fleet->servers[i];
        enum peer_state state = server_state(server);

        if (server->effect.error.code != ERR_NONE) {
            snprintf(why, why_size, "server \"%s\": %s", server->record.name,
                server->effect.error.message);
            return false;
        }
        if (state >= PEER_PAUSED ||
            (state == PEER_BEHIND && is_on_its_way(server)))
            continue;
        snprintf(why, why_size, "server \"%s\" is %s", server->record.name,
            peer_state_name(state));
        return false;
    }
    return true;
}

void
fleet_metrics(struct fleet *fleet, struct buf *out)
{
    for (size_t i = 0; i < fleet->server_count; i++) {
        const struct server *server = fleet->servers[i];
        const struct server_record *r = &server->record;
        bool known;

        buf_printf(out, "lockstep_server_synchronized{server=\"%s\"} %d\n",
            r->name, server_state(server) == PEER_SYNCHRONIZED);
        if (server->effect.known)
            buf_printf(out, "lockstep_server_in_effect{server=\"%s\"} %d\n",
                r->name, server->effect.in_effect && server_equal(server));
        buf_printf(out,
            "lockstep_server_last_synchronized_seconds"
            "{server=\"%s\"} %.3f\n",
            r->name, (double)r->last_synchronized_ms / 1000.0);
        buf_printf(out, "lockstep_server_behind{server=\"%s\"} %llu\n", r->name,
            (unsigned long long)server_behind(server, &known));
        buf_printf(out, "lockstep_server_pushes_total{server=\"%s\"} %llu\n",
            r->name, (unsigned long long)r->pushes);
        buf_printf(out,
            "lockstep_server_overwrites_total{server=\"%s\"} "
            "%llu\n",
            r->name, (unsigned long long)r->overwrites);
        buf_printf(out,
            "lockstep_server_bytes_sent_total{server=\"%s\"} "
            "%llu\n",
            r->name, (unsigned long long)server_bytes_sent(server));
    }
}

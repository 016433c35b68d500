/*
 * The fleet as a whole: its servers, its one timer, its rounds.
 */
#include "daemon/fleet.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "daemon/events.h"
#include "daemon/fleet_internal.h"
#include "daemon/key_rotation.h"

int64_t
fleet_interval_ms(const struct server *server)
{
    if (server->record.interval_ms > 0)
        return server->record.interval_ms;
    return server->fleet->engine->node.interval_ms;
}

struct server *
fleet_find(struct fleet *fleet, const char *name)
{
    for (size_t i = 0; i < fleet->server_count; i++) {
        if (strcmp(fleet->servers[i]->record.name, name) == 0)
            return fleet->servers[i];
    }
    return NULL;
}

struct server *
fleet_add_record(struct fleet *fleet, const struct server_record *record)
{
    struct server *server = alloc_zeroed(1, sizeof(*server));

    server->fleet = fleet;
    server->references = 1;
    server->record = *record;
    server->record.host_key =
        alloc_copy(record->host_key, record->host_key_len);
    server_update_lanes(server);
    server_keys_load(server);
    server->due_ms = clock_mono_ms();
    server->retry_ms = server->due_ms;
    fleet->servers = alloc_resize(fleet->servers, fleet->server_count + 1,
        sizeof(struct server *));
    fleet->servers[fleet->server_count++] = server;
    return server;
}

void
fleet_drop(struct fleet *fleet, struct server *server)
{
    for (size_t i = 0; i < fleet->server_count; i++) {
        if (fleet->servers[i] != server)
            continue;
        fleet->servers[i] = fleet->servers[--fleet->server_count];
        server->removed = true;
        server_disconnect(server);
        fleet_waiters_check(fleet);
        server_release(server);
        return;
    }
}

void
fleet_want(struct server *server)
{
    server->wanted = true;
    server->wanted_us = clock_mono_us();
    server->overwrote = false;
    if (server->ready)
        server->last_attempt_ms = clock_utc_ms();
    server_keys_round(server);
    for (size_t i = 0; i < server->lane_count; i++) {
        struct lane *lane = server->lanes[i];

        lane->tries = 0;
        if (lane->stuck) {
            lane->stuck = false;
            lane->known = false;
        }
    }
}

void
fleet_ask(struct server *server)
{
    fleet_want(server);
    if (server->link == NULL)
        server->retry_ms = clock_mono_ms();
    else
        server->hurried = true;
}

void
fleet_begin_round(struct fleet *fleet, struct server *only)
{
    for (size_t i = 0; i < fleet->server_count; i++) {
        struct server *server = fleet->servers[i];

        if (only != NULL ? server == only : !server->record.paused)
            fleet_ask(server);
    }
    fleet_publish(fleet, NULL);
}

/* The timer. */

static void fleet_tick(uv_timer_t *timer);

void
fleet_schedule(struct fleet *fleet)
{
    int64_t now_ms = clock_mono_ms();
    int64_t next_ms = fleet->publish_due_ms;

    if (fleet->closing)
        return;
    for (size_t i = 0; i < fleet->server_count; i++) {
        const struct server *server = fleet->servers[i];

        if (server_paused(server))
            continue;
        if (server->due_ms < next_ms)
            next_ms = server->due_ms;
        if (server->link == NULL && server->retry_ms < next_ms)
            next_ms = server->retry_ms;
        if (server_keys_wants_link(server))
            next_ms = now_ms;
    }
    uv_timer_start(&fleet->timer, fleet_tick,
        next_ms > now_ms ? (uint64_t)(next_ms - now_ms) : 1, 0);
}

static void
fleet_tick(uv_timer_t *timer)
{
    struct fleet *fleet = timer->data;
    int64_t now_ms = clock_mono_ms();
    bool round = false;

    uv_update_time(fleet->engine->loop);
    for (size_t i = 0; i < fleet->server_count; i++) {
        struct server *server = fleet->servers[i];

        if (server_paused(server))
            continue;
        if (server->due_ms <= now_ms) {
            server->due_ms = peer_next_due_ms(server->due_ms,
                fleet_interval_ms(server), now_ms);
            fleet_want(server);
            round = true;
        }
        if (server_keys_wants_link(server)) {
            server_disconnect(server);
            server->retry_ms = now_ms;
        }
        if (server->link == NULL && server->retry_ms <= now_ms)
            server_connect(server);
    }
    if (fleet->publish_due_ms <= now_ms) {
        fleet->publish_due_ms = peer_next_due_ms(fleet->publish_due_ms,
            fleet->engine->node.interval_ms, now_ms);
        round = round || fleet->engine->node.sync_enabled;
    }
    if (round)
        fleet_publish_audited(fleet);
    key_rotation_check(fleet->engine);
    fleet_schedule(fleet);
}

/* Opening and closing. */

static int
fleet_load(struct fleet *fleet, struct err *e)
{
    struct server_record *records = NULL;
    size_t count = 0;

    if (fleet->engine->node.role != NODE_PRIMARY)
        return 0;
    if (store_servers_load(fleet->engine->node.store, &records, &count, e) != 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        fleet_add_record(fleet, &records[i]);
    store_servers_free(records, count);
    fleet_set_cluster(fleet);
    return 0;
}

void
fleet_process_crashed(void *ctx, const char *process, const char *how)
{
    events_add(ctx, "warning", "process-crashed", NULL, NULL,
        "the %s process ended: %s", process, how);
}

int
fleet_open(struct fleet **fleetp, struct engine *engine, struct err *e)
{
    struct fleet *fleet = alloc_zeroed(1, sizeof(*fleet));

    *fleetp = NULL;
    fleet->engine = engine;
    fleet->references = 1;
    random_bytes(&fleet->next_bundle_id, sizeof(fleet->next_bundle_id));
    fleet->publish_due_ms = clock_mono_ms() + engine->node.interval_ms;
    if (outbound_new(&fleet->out, engine->loop, e) != 0) {
        free(fleet->cancelled);
        free(fleet);
        return -1;
    }
    outbound_watch(fleet->out, fleet_process_crashed, engine->events);
    uv_timer_init(engine->loop, &fleet->timer);
    fleet->timer.data = fleet;
    uv_timer_init(engine->loop, &fleet->settle);
    fleet->settle.data = fleet;
    uv_timer_init(engine->loop, &fleet->tidy);
    fleet->tidy.data = fleet;
    fleet_publications_update(fleet);
    *fleetp = fleet;
    if (fleet_load(fleet, e) != 0)
        return -1;
    fleet_watch_update(fleet);
    fleet_schedule(fleet);
    return 0;
}

static void
fleet_drop_all(struct fleet *fleet)
{
    while (fleet->server_count > 0) {
        server_save(fleet->servers[0], true);
        fleet_drop(fleet, fleet->servers[0]);
    }
}

void
fleet_hold(struct fleet *fleet)
{
    fleet->references++;
}

void
fleet_release(struct fleet *fleet)
{
    if (--fleet->references > 0)
        return;
    fleet_publications_close(fleet);
    free(fleet->servers);
    free(fleet->cancelled);
    free(fleet);
}

static void
fleet_timer_closed(uv_handle_t *handle)
{
    fleet_release(handle->data);
}

void
fleet_close(struct fleet *fleet)
{
    if (fleet == NULL)
        return;
    fleet->closing = true;
    fleet_watch_stop(fleet);
    fleet_registrations_close(fleet);
    fleet_waiters_close(fleet);
    fleet_drop_all(fleet);
    fleet_tells_close(fleet);
    outbound_free(fleet->out);
    fleet_hold(fleet); /* three timers, one reference each */
    fleet_hold(fleet);
    uv_close((uv_handle_t *)&fleet->timer, fleet_timer_closed);
    uv_close((uv_handle_t *)&fleet->settle, fleet_timer_closed);
    uv_close((uv_handle_t *)&fleet->tidy, fleet_timer_closed);
}

void
fleet_role_changed(struct fleet *fleet)
{
    struct err e = ERR_INIT;

    fleet_drop_all(fleet);
    if (fleet_load(fleet, &e) != 0)
        log_error("could not load the servers: %s", e.message);
    key_rotation_check(fleet->engine);
    fleet_watch_update(fleet);
    fleet_schedule(fleet);
}

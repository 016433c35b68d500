/*
 * "server remove": the server is told that it is released, then forgotten.
 * When the link drops before the answer is here, nobody knows whether it was
 * told: it is connected to anew and asked.  A server that does not know our
 * login key any more was released.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "daemon/events.h"
#include "daemon/fleet_internal.h"
#include "daemon/link_control.h"

/* From the command to the answer, over however many links. */
#define REMOVAL_WAIT_MS 10000
#define REMOVAL_RETRY_MS 100

struct removal {
    struct control_call *call;
    struct server *server;         /* held; its removal is this one */
    struct link_control *exchange; /* NULL while there is no link */
    bool force;
    bool sent;           /* the release, at least once */
    int64_t deadline_ms; /* monotonic */
    uv_timer_t timer;
};

static void
removal_closed(uv_handle_t *handle)
{
    struct removal *r = handle->data;

    server_release(r->server);
    free(r);
}

/* Lets go of server and link; returns the call, which the caller ends. */
static struct control_call *
removal_end(struct removal *r)
{
    link_control_cancel(r->exchange);
    r->exchange = NULL;
    r->server->removal = NULL;
    uv_close((uv_handle_t *)&r->timer, removal_closed);
    return r->call;
}

static void
server_forget(struct server *server, struct control_call *call, bool released)
{
    struct fleet *fleet = server->fleet;
    json_t *result = json_pack("{s:s, s:b}", "removed", server->record.name,
        "released", released);
    struct err e = ERR_INIT;

    if (store_server_delete(fleet->engine->node.store, server->record.id, &e) !=
        0) {
        json_decref(result);
        control_fail(call, &e);
        return;
    }
    events_add(fleet->engine->events, "info", "server-removed",
        server->record.name, NULL, "removed by %s%s", control_who(call),
        released ? "" : ", without telling it");
    fleet_drop(fleet, server); /* may free it */
    fleet_schedule(fleet);
    control_finish(call, result);
}

static void
refuse(struct control_call *call, struct err *e)
{
    err_hint(e, "With --force it is removed here all the same; then run "
                "\"lockstep node detach\" there.");
    control_fail(call, e);
}

static void
removal_failed(struct removal *r, const struct err *e)
{
    struct server *server = r->server;
    bool force = r->force;
    struct control_call *call = removal_end(r);
    struct err refused = *e;

    if (force) {
        server_forget(server, call, false);
        return;
    }
    err_wrap(&refused, "could not tell \"%s\" that it is released",
        server->record.name);
    if (server_paused(server))
        server_disconnect(server);
    else
        fleet_begin_round(server->fleet, server);
    refuse(call, &refused);
}

static void
removal_answered(void *ctx, const json_t *result, const struct err *e)
{
    struct removal *r = ctx;

    (void)result;
    r->exchange = NULL;
    if (e->code != ERR_NONE)
        removal_failed(r, e);
    else
        server_forget(r->server, removal_end(r), true);
}

static void
removal_tick(uv_timer_t *timer)
{
    struct removal *r = timer->data;
    struct server *server = r->server;
    int64_t left_ms = r->deadline_ms - clock_mono_ms();
    struct err e = ERR_INIT;

    if (left_ms <= 0) {
        err_set(&e, ERR_NO_ANSWER, "no answer");
        link_control_cancel(r->exchange);
        r->exchange = NULL;
        server->removal = NULL; /* it hears no more of the link */
        server_disconnect(server);
        removal_failed(r, &e);
        return;
    }
    server_connect(server);
    uv_timer_start(timer, removal_tick, (uint64_t)left_ms, 0);
}

void
removal_link_ready(struct removal *r)
{
    struct server *server = r->server;
    char cluster[2 * ID_SIZE + 1];
    json_t *args;

    hex_encode(server->fleet->engine->node.cluster, ID_SIZE, cluster);
    args = json_pack("{s:s}", "cluster", cluster);
    r->sent = true;
    r->exchange = link_control_run(server->link, "node release", args,
        removal_answered, r);
    json_decref(args);
}

/* Somebody else removed the server, or this node ends. */
static void
removal_dropped(struct removal *r)
{
    bool closing = r->server->fleet->closing;
    struct control_call *call = removal_end(r);
    struct err e = ERR_INIT;

    if (closing)
        err_set(&e, ERR_CANCELLED, "the node is stopping");
    else
        err_set(&e, ERR_NOT_FOUND, "it was removed meanwhile");
    control_fail(call, &e);
}

void
removal_link_lost(struct removal *r, const struct err *e)
{
    link_control_cancel(r->exchange);
    r->exchange = NULL;
    if (r->server->removed)
        removal_dropped(r);
    else if (r->sent && e->code == ERR_LOGIN)
        server_forget(r->server, removal_end(r), true);
    else if (!r->sent || e->code == ERR_KEY_CHANGED)
        removal_failed(r, e);
    else
        uv_timer_start(&r->timer, removal_tick, REMOVAL_RETRY_MS, 0);
}

static void
removal_begin(struct server *server, struct control_call *call, bool force)
{
    struct removal *r = alloc_zeroed(1, sizeof(*r));

    r->call = call;
    r->server = server;
    server_hold(server);
    server->removal = r;
    r->force = force;
    r->deadline_ms = clock_mono_ms() + REMOVAL_WAIT_MS;
    uv_timer_init(server->fleet->engine->loop, &r->timer);
    r->timer.data = r;
    uv_timer_start(&r->timer, removal_tick, REMOVAL_WAIT_MS, 0);
    if (server->ready)
        removal_link_ready(r);
    else
        server_connect(server);
}

void
command_server_remove(struct control_call *call)
{
    struct server *server = command_server(call);
    struct err e = ERR_INIT;
    bool force = false;

    if (server == NULL)
        return;
    if (json_member_bool(control_args(call), "force", false, &force, &e) != 0) {
        control_fail(call, &e);
    } else if (server->removal != NULL && !force) {
        err_set(&e, ERR_BUSY, "\"%s\" is being removed already",
            server->record.name);
        control_fail(call, &e);
    } else if (server->removal != NULL ||
               (force && !server->ready && !server_paused(server))) {
        server_forget(server, call, false);
    } else {
        removal_begin(server, call, force);
    }
}

/*
 * Calls that wait for servers: "sync now --wait", "server add", "server
 * overwrite".  A server has settled when it confirmed everything after the call
 * began, or when it failed after that.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "daemon/fleet_internal.h"

#define PROGRESS_EVERY_MS 100

struct waiter {
    struct waiter *next;
    struct fleet *fleet; /* held */
    struct control_call *call;
    struct server **servers; /* held */
    size_t count;
    int64_t since_us;
    bool published;    /* what was there at the call, so TARGETS hold */
    uint64_t *targets; /* revisions, one per publication of that moment */
    size_t target_count;
    bool single;
    bool finished;
    waiter_finish_fn finish;
    void *arg;
    uv_timer_t deadline;
    int64_t progress_ms;
};

enum settled { PENDING, EQUAL, FAILED };

static bool
lane_has(const struct waiter *w, const struct lane *lane, uint64_t revision)
{
    return lane->confirmed_us >= w->since_us && !lane->force_overwrite &&
           !lane->drifted && lane->confirmed_revision >= revision;
}

static enum settled
server_settled(const struct waiter *w, const struct server *server)
{
    bool confirmed = w->published;
    bool waiting = false;

    if (server->removed)
        return FAILED;
    for (size_t i = 0; i < server->lane_count && i < w->target_count; i++) {
        const struct lane *lane = server->lanes[i];

        if (!lane_is_alive(lane) || lane_has(w, lane, w->targets[i]))
            continue;
        confirmed = false;
        waiting =
            waiting || (server->ready && !server->key_changed && !lane->stuck);
    }
    if (confirmed)
        return EQUAL;
    /* What one dataset met with must not cut short the others. */
    if (server->error.code != ERR_NONE && server->error_us >= w->since_us &&
        !waiting)
        return FAILED;
    return PENDING;
}

bool
waiter_has(const struct waiter *w, const struct server *server)
{
    return server_settled(w, server) == EQUAL;
}

/* Once everything was published that was there at the call, the revisions of
 * that moment are what the servers must confirm. */
static void
waiter_take_targets(struct waiter *w)
{
    if (w->published || !fleet_published_since(w->fleet, w->since_us))
        return;
    w->published = true;
    for (size_t i = 0; i < w->target_count; i++)
        w->targets[i] = w->fleet->publications[i]->ds->view.state.revision;
}

static void
waiter_closed(uv_handle_t *handle)
{
    struct waiter *w = handle->data;

    for (size_t i = 0; i < w->count; i++)
        server_release(w->servers[i]);
    fleet_release(w->fleet);
    free(w->servers);
    free(w->targets);
    free(w->arg);
    free(w);
}

static void
waiter_unlink(struct waiter *w)
{
    struct waiter **at = &w->fleet->waiters;

    while (*at != NULL && *at != w)
        at = &(*at)->next;
    if (*at == w)
        *at = w->next;
    w->finished = true;
    uv_close((uv_handle_t *)&w->deadline, waiter_closed);
}

/* What was agreed to outlives the call that failed: that is not kept quiet. */
static void
add_what_is_agreed(const struct server *server, struct err *e)
{
    const struct err said = *e;

    for (size_t i = 0; i < server->lane_count; i++) {
        if (!server->lanes[i]->force_overwrite)
            continue;
        err_hint(e,
            "%s%sThe overwrite stays agreed to: it is made as soon as it can "
            "be, unless this primary is restarted before.",
            said.hint, said.hint[0] == '\0' ? "" : " ");
        return;
    }
}

/* The error of a call about one server; the dataset's, when that holds it
 * up. */
static void
waiter_single_error(const struct server *server, struct err *e)
{
    if (server->removed) {
        err_set(e, ERR_CANCELLED, "\"%s\" was removed", server->record.name);
        return;
    }
    *e = server->error;
    add_what_is_agreed(server, e);
}

static void
waiter_finish(struct waiter *w, size_t failed, size_t pending)
{
    struct err e = ERR_INIT;

    if (w->single && failed > 0) {
        waiter_single_error(w->servers[0], &e);
        control_fail(w->call, &e);
    } else if (w->single && pending > 0) {
        err_set(&e, ERR_TIMEOUT, "\"%s\" did not get there in time",
            w->servers[0]->record.name);
        err_hint(&e, "It goes on by itself; see \"lockstep server list\".");
        control_fail(w->call, &e);
    } else {
        w->finish(w, w->fleet, w->call, w->arg);
        w->arg = NULL;
    }
    waiter_unlink(w);
}

static void
waiter_check(struct waiter *w, bool expired)
{
    size_t failed = 0;
    size_t pending = 0;

    waiter_take_targets(w);
    for (size_t i = 0; i < w->count; i++) {
        enum settled settled = server_settled(w, w->servers[i]);

        failed += settled == FAILED;
        pending += settled == PENDING;
    }
    if (!expired && !w->published)
        return;
    if (pending == 0 || expired)
        waiter_finish(w, failed, pending);
}

static void
waiter_expired(uv_timer_t *timer)
{
    waiter_check(timer->data, true);
}

void
fleet_waiters_check(struct fleet *fleet)
{
    struct waiter *w = fleet->waiters;

    while (w != NULL) {
        struct waiter *next = w->next;

        waiter_check(w, false);
        w = next;
    }
}

void
fleet_wait(struct fleet *fleet, struct control_call *call,
    struct server **servers, size_t count, int64_t timeout_ms, bool single,
    waiter_finish_fn finish, void *arg)
{
    struct waiter *w = alloc_zeroed(1, sizeof(*w));

    w->fleet = fleet;
    fleet_hold(fleet);
    w->call = call;
    w->servers = alloc_zeroed(count, sizeof(struct server *));
    w->count = count;
    for (size_t i = 0; i < count; i++) {
        w->servers[i] = servers[i];
        server_hold(servers[i]);
    }
    w->since_us = clock_mono_us();
    w->target_count = fleet->publication_count;
    w->targets = alloc_zeroed(w->target_count + 1, sizeof(uint64_t));
    w->single = single;
    w->finish = finish;
    w->arg = arg;
    uv_timer_init(fleet->engine->loop, &w->deadline);
    w->deadline.data = w;
    uv_timer_start(&w->deadline, waiter_expired, (uint64_t)timeout_ms, 0);
    w->next = fleet->waiters;
    fleet->waiters = w;
}

void
fleet_waiters_close(struct fleet *fleet)
{
    struct err e = ERR_INIT;

    err_set(&e, ERR_CANCELLED, "the node is stopping");
    while (fleet->waiters != NULL) {
        struct waiter *w = fleet->waiters;

        control_fail(w->call, &e);
        waiter_unlink(w);
    }
}

void
fleet_waiters_progress(struct server *server, const char *step,
    const char *text, uint64_t done, uint64_t total)
{
    int64_t now_ms = clock_mono_ms();

    for (struct waiter *w = server->fleet->waiters; w != NULL; w = w->next) {
        if (!w->single || w->servers[0] != server ||
            (done < total && now_ms - w->progress_ms < PROGRESS_EVERY_MS))
            continue;
        w->progress_ms = now_ms;
        control_progress(w->call,
            json_pack("{s:s, s:s, s:I, s:I}", "step", step, "text", text,
                "done", (json_int_t)done, "total", (json_int_t)total));
    }
}

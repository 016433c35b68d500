/*
 * A command told to every server over its push connection, for what both sides
 * have to do together.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/json.h"
#include "daemon/fleet_internal.h"
#include "daemon/link_control.h"

#define TELL_MS 15000

struct tell;

/* One server of it. */
struct told {
    struct tell *tell;
    struct server *server; /* held */
    struct link_control *exchange;
    bool answered;
    struct err error;
    json_t *result;
};

struct tell {
    struct tell *next;
    struct fleet *fleet; /* held */
    struct told *list;
    size_t count;
    size_t waiting;
    fleet_told_fn done;
    void *ctx;
    uv_timer_t deadline;
};

static json_t *
told_json(const struct told *t)
{
    bool ok = t->error.code == ERR_NONE;

    return json_pack("{s:s, s:b, s:o}", "name", t->server->record.name, "done",
        ok && json_is_true(json_object_get(t->result, "done")), "error",
        ok ? json_null() : json_error(&t->error));
}

static void
tell_closed(uv_handle_t *handle)
{
    struct tell *tell = handle->data;

    for (size_t i = 0; i < tell->count; i++) {
        json_decref(tell->list[i].result);
        server_release(tell->list[i].server);
    }
    fleet_release(tell->fleet);
    free(tell->list);
    free(tell);
}

static void
tell_end(struct tell *tell)
{
    json_t *servers = json_array();
    const struct err *first = NULL;
    struct tell **at = &tell->fleet->tells;

    while (*at != tell)
        at = &(*at)->next;
    *at = tell->next;
    for (size_t i = 0; i < tell->count; i++) {
        const struct told *t = &tell->list[i];

        json_array_append_new(servers, told_json(t));
        if (t->error.code != ERR_NONE && first == NULL)
            first = &t->error;
    }
    if (tell->done != NULL)
        tell->done(tell->ctx, servers, first);
    json_decref(servers);
    uv_close((uv_handle_t *)&tell->deadline, tell_closed);
}

static void
told_answered(void *ctx, const json_t *result, const struct err *e)
{
    struct told *t = ctx;

    t->exchange = NULL;
    t->answered = true;
    t->error = *e;
    if (e->code != ERR_NONE)
        err_wrap(&t->error, "\"%s\"", t->server->record.name);
    t->result = json_deep_copy(result);
    if (--t->tell->waiting == 0)
        tell_end(t->tell);
}

static void
tell_give_up(struct tell *tell)
{
    for (size_t i = 0; i < tell->count; i++) {
        struct told *t = &tell->list[i];

        if (t->answered)
            continue;
        err_set(&t->error, ERR_NO_ANSWER, "\"%s\" does not answer",
            t->server->record.name);
        /* An exchange ends with its link. */
        if (t->exchange != NULL && !t->server->removed)
            server_disconnect(t->server);
        link_control_cancel(t->exchange);
        t->exchange = NULL;
    }
    tell_end(tell);
}

static void
tell_expired(uv_timer_t *timer)
{
    tell_give_up(timer->data);
}

void
fleet_tells_close(struct fleet *fleet)
{
    while (fleet->tells != NULL)
        tell_give_up(fleet->tells);
}

static void
told_start(struct told *t, const char *command, json_t *args)
{
    if (!t->server->ready) {
        err_set(&t->error, ERR_UNREACHABLE, "\"%s\" is not reachable",
            t->server->record.name);
        t->answered = true;
        return;
    }
    t->tell->waiting++;
    t->exchange =
        link_control_run(t->server->link, command, args, told_answered, t);
}

void
fleet_tell(struct fleet *fleet, const char *command, const char *dataset,
    fleet_told_fn done, void *ctx)
{
    struct tell *tell = alloc_zeroed(1, sizeof(*tell));
    char cluster[2 * ID_SIZE + 1];
    json_t *args;

    tell->fleet = fleet;
    fleet_hold(fleet);
    tell->next = fleet->tells;
    fleet->tells = tell;
    tell->done = done;
    tell->ctx = ctx;
    tell->count = fleet->server_count;
    tell->list = alloc_zeroed(tell->count + 1, sizeof(*tell->list));
    uv_timer_init(fleet->engine->loop, &tell->deadline);
    tell->deadline.data = tell;
    uv_timer_start(&tell->deadline, tell_expired, TELL_MS, 0);
    hex_encode(fleet->engine->node.cluster, ID_SIZE, cluster);
    args = json_pack("{s:s, s:s}", "name", dataset, "cluster", cluster);
    tell->waiting = 1; /* until all are told */
    for (size_t i = 0; i < tell->count; i++) {
        tell->list[i].tell = tell;
        tell->list[i].server = fleet->servers[i];
        server_hold(fleet->servers[i]);
        told_start(&tell->list[i], command, args);
    }
    json_decref(args);
    if (--tell->waiting == 0)
        tell_end(tell);
}

const char *
fleet_first_unreachable(const struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->server_count; i++) {
        if (!fleet->servers[i]->ready)
            return fleet->servers[i]->record.name;
    }
    return NULL;
}

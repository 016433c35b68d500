/*
 * What a server lacks, for those who ask before it is sent.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "daemon/control_diff.h"
#include "daemon/fleet_internal.h"

static const struct lane *
find_lane(const struct server *server, const struct dataset *ds)
{
    for (size_t i = 0; i < server->lane_count; i++)
        if (server->lanes[i]->ds == ds)
            return server->lanes[i];
    return NULL;
}

static const char *
why_whole(const struct lane *lane)
{
    if (lane->force_overwrite)
        return "an overwrite was asked for";
    if (lane->needs_overwrite)
        return "what it holds is damaged or unknown";
    if (lane->drifted && lane->drift_keys.len == 0)
        return "it has drifted, and does not say in which rows";
    return "";
}

/* While it was never heard from since our start, what counts is when it was
 * synchronized last. */
static int
describe(const struct server *server, const struct dataset *ds,
    struct diff_unit *unit, struct err *e)
{
    const struct lane *lane = find_lane(server, ds);

    unit->kind = DIFF_SERVER;
    snprintf(unit->dataset, sizeof(unit->dataset), "%s", ds->name);
    snprintf(unit->server, sizeof(unit->server), "%s", server->record.name);
    if (lane != NULL && (lane->known || lane->confirmed_us != 0)) {
        unit->revision = lane->revision;
        unit->digest = lane->digest;
        snprintf(unit->why_whole, sizeof(unit->why_whole), "%s",
            why_whole(lane));
        if (lane->drifted)
            buf_put(&unit->drifted, lane->drift_keys.data,
                lane->drift_keys.len);
        return 0;
    }
    unit->as_of_ms = server->record.last_synchronized_ms;
    if (unit->as_of_ms != 0)
        return 0;
    err_set(e, ERR_NOT_FOUND, "what \"%s\" holds of \"%s\" is not known yet",
        server->record.name, ds->name);
    err_hint(e, "\"lockstep server show %s\" says why.", server->record.name);
    return -1;
}

int
fleet_diff_unit(struct fleet *fleet, const char *name, const struct dataset *ds,
    struct diff_unit *unit, struct err *e)
{
    const struct server *server = fleet_find(fleet, name);

    if (server == NULL) {
        err_set(e, ERR_NOT_FOUND, "there is no server \"%s\"", name);
        err_hint(e, "\"lockstep server list\" shows the servers.");
        return -1;
    }
    return describe(server, ds, unit, e);
}

static bool
is_named(const json_t *names, const char *name)
{
    const json_t *item;
    size_t i;

    json_array_foreach (names, i, item) {
        const char *text = json_string_value(item);

        if (text != NULL && strcmp(text, name) == 0)
            return true;
    }
    return false;
}

static int
check_names(struct fleet *fleet, const json_t *names, struct err *e)
{
    const json_t *item;
    size_t i;

    json_array_foreach (names, i, item) {
        const char *name = json_string_value(item);

        if (name == NULL || fleet_find(fleet, name) == NULL) {
            err_set(e, ERR_NOT_FOUND, "there is no server \"%s\"",
                name == NULL ? "" : name);
            err_hint(e, "\"lockstep server list\" shows the servers.");
            return -1;
        }
    }
    return 0;
}

/* The datasets in which SERVER is not where it should be; one that was named
 * and is not known fails. */
static int
add_server(struct fleet *fleet, const struct server *server, bool named,
    struct diff_units *units, struct err *e)
{
    for (size_t i = 0; i < fleet->publication_count; i++) {
        const struct dataset *ds = fleet->publications[i]->ds;
        const struct lane *lane = find_lane(server, ds);
        struct err why = ERR_INIT;

        if (!ds->active || ds->view.error.code != ERR_NONE)
            continue;
        if (lane != NULL && (!lane_is_wanted(lane) || lane_equal(lane)))
            continue;
        if (describe(server, ds, diff_units_add(units), &why) == 0)
            continue;
        units->count--;
        if (named) {
            *e = why;
            return -1;
        }
    }
    return 0;
}

void
command_sync_preview(struct control_call *call)
{
    struct fleet *fleet = control_engine(call)->fleet;
    const json_t *names = json_member(control_args(call), "servers");
    struct diff_units units = { 0 };
    struct err e = ERR_INIT;

    if (check_names(fleet, names, &e) != 0)
        goto fail;
    for (size_t i = 0; i < fleet->publication_count; i++) {
        const struct dataset *ds = fleet->publications[i]->ds;
        struct diff_unit *unit;

        if (!ds->active || ds->view.error.code != ERR_NONE)
            continue;
        unit = diff_units_add(&units);
        unit->kind = DIFF_UNPUBLISHED;
        snprintf(unit->dataset, sizeof(unit->dataset), "%s", ds->name);
    }
    for (size_t i = 0; i < fleet->server_count; i++) {
        const struct server *server = fleet->servers[i];
        bool named = is_named(names, server->record.name);

        if ((named || json_array_size(names) == 0) &&
            add_server(fleet, server, named, &units, &e) != 0)
            goto fail;
    }
    diff_run(call, &units, DIFF_LIST);
    return;
fail:
    diff_units_release(&units);
    control_fail(call, &e);
}

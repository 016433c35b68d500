/*
 * The fleet follows the list of datasets, which the configuration changes while
 * we run: a publication for each dataset that ever was, a lane for each of them
 * on each server.  Jobs and replies under way point to both, so neither is ever
 * taken away; those of a dataset that is not in use rest.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "daemon/fleet_internal.h"

void
fleet_publications_close(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->publication_count; i++) {
        shared_bytes_release(fleet->publications[i]->bundle);
        free(fleet->publications[i]);
    }
    free(fleet->publications);
    fleet->publications = NULL;
    fleet->publication_count = 0;
}

struct publication *
fleet_publication(struct fleet *fleet, const struct dataset *ds)
{
    for (size_t i = 0; i < fleet->publication_count; i++) {
        if (fleet->publications[i]->ds == ds)
            return fleet->publications[i];
    }
    return NULL;
}

void
fleet_publications_update(struct fleet *fleet)
{
    const struct datasets *datasets = fleet->engine->datasets;

    for (size_t i = 0; i < datasets_count(datasets); i++) {
        struct dataset *ds = datasets_at(datasets, i);
        struct publication *p;

        if (fleet_publication(fleet, ds) != NULL)
            continue;
        p = alloc_zeroed(1, sizeof(*p));
        p->fleet = fleet;
        p->ds = ds;
        fleet->publications = alloc_resize(fleet->publications,
            fleet->publication_count + 1, sizeof(struct publication *));
        fleet->publications[fleet->publication_count++] = p;
    }
}

void
server_update_lanes(struct server *server)
{
    const struct fleet *fleet = server->fleet;

    if (server->lane_count == fleet->publication_count)
        return;
    server->lanes = alloc_resize(server->lanes, fleet->publication_count,
        sizeof(struct lane *));
    while (server->lane_count < fleet->publication_count) {
        struct lane *lane = alloc_zeroed(1, sizeof(*lane));

        lane_init(lane, server, fleet->publications[server->lane_count]->ds);
        server->lanes[server->lane_count++] = lane;
    }
}

/* What is on its way for a dataset that was just taken out of use, or is no
 * longer for this server, is cut off with the link. */
static void
server_rest_lanes(struct server *server)
{
    bool busy = false;

    for (size_t i = 0; i < server->lane_count; i++) {
        struct lane *lane = server->lanes[i];

        if (lane_is_wanted(lane))
            continue;
        busy = busy || (lane->state != LANE_CLOSED && lane->state != LANE_IDLE);
        lane->held = false;
        lane->refused = false;
        lane->force_overwrite = false;
        lane->drifted = false;
        lane->known = false;
    }
    if (busy) {
        server_disconnect(server);
        server->retry_ms = clock_mono_ms();
    }
}

void
fleet_datasets_changed(struct fleet *fleet)
{
    if (fleet == NULL || fleet->closing)
        return;
    fleet_publications_update(fleet);
    for (size_t i = 0; i < fleet->server_count; i++) {
        server_update_lanes(fleet->servers[i]);
        server_rest_lanes(fleet->servers[i]);
    }
    fleet_watch_update(fleet);
    fleet_set_cluster(fleet);
    if (fleet->engine->node.sync_enabled)
        fleet_begin_round(fleet, NULL);
    fleet_schedule(fleet);
}

/*
 * Instant: a commit by whoever it was is seen by watching the folder of the
 * live database (inotify, which opens no file), and published at once.
 */
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "daemon/fleet_internal.h"

/* A commit is seen when its first bytes are written, but readable only later:
 * after they are synced, by a change of shared memory that nobody is told of.
 * So we look again and again after the last write seen, ever more rarely. */
#define FIRST_LOOK_MS 2
#define LOOKS 10 /* the last one a second later */

static void
fleet_look(uv_timer_t *timer)
{
    struct fleet *fleet = timer->data;

    if (++fleet->looks < LOOKS)
        uv_timer_start(&fleet->settle, fleet_look,
            (uint64_t)FIRST_LOOK_MS << (fleet->looks - 1), 0);
    fleet_publish(fleet, NULL);
}

static void
fleet_touched(struct fleet *fleet)
{
    if (fleet->closing || !fleet->engine->node.instant ||
        !fleet->engine->node.sync_enabled)
        return;
    /* The first look stays where it is, or a busy writer would put it off. */
    if (uv_is_active((uv_handle_t *)&fleet->settle) && fleet->looks == 0)
        return;
    fleet->looks = 0;
    uv_timer_start(&fleet->settle, fleet_look, FIRST_LOOK_MS, 0);
}

void
fleet_changed(struct fleet *fleet, const char *dataset)
{
    (void)dataset;
    if (fleet != NULL)
        fleet_touched(fleet);
}

/* The database itself and its journals, not its shared memory, which readers
 * write to as well. */
static bool
watch_concerns(const struct publication *p, const char *name)
{
    const char *base = strrchr(p->ds->live_path, '/');
    size_t len;

    base = base == NULL ? p->ds->live_path : base + 1;
    len = strlen(base);
    if (name == NULL)
        return true;
    return strncmp(name, base, len) == 0 && strcmp(name + len, "-shm") != 0;
}

static void
watch_fired(uv_fs_event_t *watch, const char *name, int events, int status)
{
    struct publication *p = watch->data;

    (void)events;
    if (status == 0 && watch_concerns(p, name))
        fleet_touched(p->fleet);
}

static void
watch_start(struct publication *p)
{
    char *path;
    int r;

    if (!p->watching) {
        uv_fs_event_init(p->fleet->engine->loop, &p->watch);
        p->watch.data = p;
        p->watching = true;
    }
    if (uv_is_active((uv_handle_t *)&p->watch))
        return;
    path = alloc_string(p->ds->live_path);
    r = uv_fs_event_start(&p->watch, watch_fired, dirname(path), 0);
    if (r != 0)
        log_warning("could not watch %s: %s; changes are seen at the interval",
            path, uv_strerror(r));
    free(path);
}

void
fleet_watch_update(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->publication_count; i++) {
        struct publication *p = fleet->publications[i];

        if (fleet->engine->node.instant && p->ds->active &&
            p->ds->source != NULL)
            watch_start(p);
        else if (p->watching)
            uv_fs_event_stop(&p->watch);
    }
}

static void
watch_closed(uv_handle_t *handle)
{
    const struct publication *p = handle->data;

    fleet_release(p->fleet);
}

void
fleet_watch_stop(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->publication_count; i++) {
        struct publication *p = fleet->publications[i];

        if (!p->watching)
            continue;
        p->watching = false;
        fleet_hold(fleet);
        uv_close((uv_handle_t *)&p->watch, watch_closed);
    }
}

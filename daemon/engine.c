/*
 * Starting and stopping in the order that the modules depend on each other.
 */
#include "daemon/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin-proto/ssh_client.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/spill.h"
#include "daemon/accounts.h"
#include "daemon/child.h"
#include "daemon/datasets.h"
#include "daemon/events.h"
#include "daemon/events_outlet.h"
#include "daemon/filter.h"
#include "daemon/filter_confirm.h"
#include "daemon/fleet.h"
#include "daemon/gate.h"
#include "daemon/health.h"
#include "daemon/hooks.h"
#include "daemon/inbound.h"
#include "daemon/key_rotation.h"
#include "daemon/leftovers.h"
#include "daemon/listener.h"
#include "daemon/store.h"
#include "daemon/vfs.h"

#define HEARD_SAVE_MS 60000

static int
take_state_dir(struct engine *engine, struct err *e)
{
    const char *dir = engine->settings.state_dir;
    char *path;
    int r;

    engine->lock_fd = -1;
    if (file_make_folder(dir, 0700, e) != 0)
        return -1;
    path = file_join(dir, "lock");
    r = file_lock(path, &engine->lock_fd, e);
    free(path);
    if (r != 0 && e->code == ERR_BUSY) {
        err_set(e, ERR_BUSY, "another lockstepd runs in \"%s\"", dir);
        err_hint(e, "Stop it first, or give this one a state directory of its "
                    "own with --state-dir.");
    }
    return r;
}

int
engine_write_local(struct engine *engine, struct err *e)
{
    const struct key_successor *next = &engine->keys.next[KEY_HOST];
    char fingerprint[64];
    char *path = file_join(engine->settings.state_dir, "local.json");
    char *host = NULL;
    char *text = NULL;
    uint16_t port = 0;
    json_t *json;
    int r = -1;

    if (admin_address_parse(listener_address(engine->listener), &host, &port,
            e) != 0)
        goto out;
    json = json_object();
    json_object_set_new(json, "address", json_text(host));
    json_object_set_new(json, "port", json_integer(port));
    json_object_set_new(json, "fingerprint",
        json_text(engine->keys.fingerprint));
    if (next->made) {
        key_fingerprint(next->public_key, fingerprint);
        json_object_set_new(json, "fingerprint_next", json_text(fingerprint));
    }
    json_object_set_new(json, "user", json_text("local"));
    if (engine->settings.source_address[0] != '\0')
        json_object_set_new(json, "source_address",
            json_text(engine->settings.source_address));
    text = json_write(json);
    json_decref(json);
    r = file_write_atomic(path, text, strlen(text), 0600, e);
out:
    free(text);
    free(host);
    free(path);
    return r;
}

static void
save_heard(uv_timer_t *timer)
{
    struct engine *engine = timer->data;
    struct err e = ERR_INIT;

    if (engine->node.role != NODE_SECONDARY ||
        engine->node.primary_heard_ms == engine->heard_saved_ms)
        return;
    engine->heard_saved_ms = engine->node.primary_heard_ms;
    if (node_save(&engine->node, &e) != 0)
        log_warning("could not save when the primary was heard: %s", e.message);
}

static void
start_heard_timer(struct engine *engine)
{
    engine->heard_saved_ms = engine->node.primary_heard_ms;
    engine->heard_timer = alloc_zeroed(1, sizeof(*engine->heard_timer));
    uv_timer_init(engine->loop, engine->heard_timer);
    engine->heard_timer->data = engine;
    uv_timer_start(engine->heard_timer, save_heard, HEARD_SAVE_MS,
        HEARD_SAVE_MS);
}

static void
free_handle(uv_handle_t *handle)
{
    free(handle);
}

/* Where events go beside their file; what cannot be opened is said there. */
static void
follow_outlets(struct engine *engine)
{
    struct events_outlet *outlet = NULL;
    struct err e = ERR_INIT;

    if (events_outlet_open(&outlet, engine->settings.syslog,
            engine->settings.journal, &e) != 0)
        events_add(engine->events, "warning", "config-error", NULL, NULL, "%s",
            e.message);
    events_set_outlet(engine->events, outlet);
}

static int
start_parts(struct engine *engine, struct err *e)
{
    const char *dir = engine->settings.state_dir;

    if (keys_load(&engine->keys, dir, true, e) != 0 ||
        node_open(&engine->node, dir, engine->settings.name, e) != 0 ||
        key_rotation_load(engine, e) != 0 ||
        accounts_first_start(engine, e) != 0 ||
        events_open(&engine->events, dir, engine->node.name, e) != 0)
        return -1;
    follow_outlets(engine);
    start_heard_timer(engine);
    if (datasets_open(&engine->datasets, engine, e) != 0 ||
        accounts_open(&engine->accounts, engine, e) != 0 ||
        filter_open(&engine->filter, engine, e) != 0 ||
        filter_confirm_open(&engine->filter_confirm, engine, e) != 0 ||
        gate_open(&engine->gate, engine, e) != 0 ||
        child_setup(engine->loop, e) != 0)
        return -1;
    engine->hooks = hooks_open(engine);
    engine->vfs = vfs_new(engine);
    engine->inbounds = inbounds_new(engine);
    if (listener_open(&engine->listener, engine, engine->settings.listen, e) !=
            0 ||
        engine_write_local(engine, e) != 0)
        return -1;
    if (fleet_open(&engine->fleet, engine, e) != 0)
        return -1;
    return health_open(&engine->health, engine, e);
}

int
engine_start(struct engine *engine, struct err *e)
{
    if (take_state_dir(engine, e) != 0)
        return -1;
    /* Before anything is made, mended or removed there. */
    if (store_check_version(engine->settings.state_dir, e) != 0) {
        engine_stop(engine);
        return -1;
    }
    spill_to(engine->settings.state_dir);
    leftovers_remove(engine->settings.state_dir);
    if (start_parts(engine, e) != 0) {
        engine_stop(engine);
        return -1;
    }
    return 0;
}

void
engine_report_start(struct engine *engine)
{
    engine->started = true;
    events_add(engine->events, "info", "started", NULL, NULL,
        "lockstepd " LOCKSTEP_VERSION " started as %s on %s",
        node_role_name(engine->node.role), listener_address(engine->listener));
}

void
engine_stop(struct engine *engine)
{
    struct inbounds *inbounds = engine->inbounds;

    engine->stopping = true;
    listener_close(engine->listener);
    engine->listener = NULL;
    engine->inbounds = NULL;
    inbounds_free(inbounds);
    health_close(engine->health);
    engine->health = NULL;
    hooks_close(engine->hooks);
    engine->hooks = NULL;
    fleet_close(engine->fleet);
    /* Jobs of the last moment still report to these. */
    datasets_close(engine->datasets);
    engine->fleet = NULL;
    engine->datasets = NULL;
    accounts_close(engine->accounts);
    engine->accounts = NULL;
    gate_close(engine->gate);
    engine->gate = NULL;
    filter_confirm_close(engine->filter_confirm);
    engine->filter_confirm = NULL;
    filter_close(engine->filter);
    engine->filter = NULL;
    vfs_free(engine->vfs);
    engine->vfs = NULL;
    if (engine->heard_timer != NULL) {
        save_heard(engine->heard_timer);
        uv_close((uv_handle_t *)engine->heard_timer, free_handle);
        engine->heard_timer = NULL;
    }
    if (engine->events != NULL && engine->started)
        events_add(engine->events, "info", "stopped", NULL, NULL,
            "lockstepd stopped");
    events_close(engine->events);
    engine->events = NULL;
    if (engine->node.store != NULL)
        node_close(&engine->node);
    keys_release(&engine->keys);
    if (engine->lock_fd != -1)
        close(engine->lock_fd);
    engine->lock_fd = -1;
}

static bool
same_text(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static void
move_text(char **to, char **from)
{
    free(*to);
    *to = *from;
    *from = NULL;
}

/* With the state directory that is in use, which the command line may have
 * named. */
static int
check_datasets(const struct engine *engine, struct settings *read,
    struct err *e)
{
    char *own = read->state_dir;
    int r;

    read->state_dir = engine->settings.state_dir;
    r = settings_check_datasets(read, e);
    read->state_dir = own;
    if (r != 0)
        settings_release(read);
    return r;
}

static void
follow_health(struct engine *engine)
{
    struct err e = ERR_INIT;

    health_close(engine->health);
    if (health_open(&engine->health, engine, &e) != 0)
        events_add(engine->events, "error", "config-error", NULL, NULL, "%s",
            e.message);
}

int
engine_reload(struct engine *engine, struct err *e)
{
    struct settings *now = &engine->settings;
    struct settings read;

    if (settings_load(&read, engine->config_path, e) != 0 ||
        check_datasets(engine, &read, e) != 0) {
        events_add(engine->events, "error", "config-error", NULL, NULL,
            "the configuration stays as it was: %s", e->message);
        return -1;
    }
    if (!same_text(read.listen, engine->configured.listen) ||
        !same_text(read.name, engine->configured.name) ||
        !same_text(read.state_dir, engine->configured.state_dir))
        log_warning("name, listen and state_dir take effect at the next start");
    /* The command line's own choice of these stays. */
    move_text(&read.listen, &now->listen);
    move_text(&read.name, &now->name);
    move_text(&read.state_dir, &now->state_dir);
    if (!same_text(now->hooks_folder, engine->configured.hooks_folder)) {
        move_text(&read.hooks_folder, &now->hooks_folder);
    } else {
        free(engine->configured.hooks_folder);
        engine->configured.hooks_folder = alloc_string(read.hooks_folder);
    }
    settings_release(now);
    *now = read;
    log_set_level((enum log_level)now->log_level);
    follow_outlets(engine);
    datasets_follow_settings(engine->datasets);
    hooks_run_all(engine->hooks);
    follow_health(engine);
    if (engine_write_local(engine, e) != 0) {
        log_warning("%s", e->message);
        err_clear(e);
    }
    events_add(engine->events, "info", "reloaded", NULL, NULL,
        "the configuration was read again");
    return 0;
}

/*
 * The steps of a rotation on the node whose key it is.
 */
#include "daemon/key_rotation.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/fleet.h"
#include "daemon/store.h"

/* By value in node.db: the successor that force was used for.  One that is
 * left of an earlier rotation names another key, and says nothing. */
static const char *const forced_names[KEY_KINDS] = {
    [KEY_HOST] = "forced_host_key",
    [KEY_LOGIN] = "forced_login_key",
    [KEY_BUNDLE] = "forced_bundle_key",
};

int
key_rotation_load(struct engine *engine, struct err *e)
{
    for (size_t i = 0; i < KEY_KINDS; i++) {
        struct key_successor *next = &engine->keys.next[i];
        uint8_t *value = NULL;
        size_t len = 0;

        if (!next->made)
            continue;
        if (store_get(engine->node.store, forced_names[i], &value, &len, e) !=
            0)
            return -1;
        next->forced = len == ED25519_PUBLIC_SIZE &&
                       memcmp(value, next->public_key, len) == 0;
        free(value);
    }
    return 0;
}

static int
force_next(struct engine *engine, enum key_kind kind, const char *who,
    struct err *e)
{
    struct key_successor *next = &engine->keys.next[kind];

    if (store_put(engine->node.store, forced_names[kind], next->public_key,
            ED25519_PUBLIC_SIZE, e) != 0)
        return -1;
    next->forced = true;
    events_add(engine->events, "warning", "key-forced", NULL, NULL,
        "the next %s key is to be used, whoever has not heard of it: %s",
        key_kind_name(kind), who);
    return 0;
}

static void
forget_force(struct engine *engine, enum key_kind kind)
{
    struct err e = ERR_INIT;

    if (store_delete(engine->node.store, forced_names[kind], &e) != 0)
        log_warning("%s", e.message);
}

/* The local command line pins what local.json says: it has to know a successor
 * before that is shown. */
static int
tell_local(struct engine *engine, enum key_kind kind, struct err *e)
{
    return kind == KEY_HOST && engine->listener != NULL
               ? engine_write_local(engine, e)
               : 0;
}

static int
take_into_use(struct engine *engine, enum key_kind kind, struct err *e)
{
    struct err local_error = ERR_INIT;
    uint8_t public_key[ED25519_PUBLIC_SIZE];
    const bool forced = engine->keys.next[kind].forced;
    char before[64];
    char now[64];

    keys_public(&engine->keys, kind, public_key);
    key_fingerprint(public_key, before);
    if (tell_local(engine, kind, e) != 0 ||
        keys_use_next(&engine->keys, engine->settings.state_dir, kind, e) != 0)
        return -1;
    if (forced)
        forget_force(engine, kind);
    keys_public(&engine->keys, kind, public_key);
    key_fingerprint(public_key, now);
    if (tell_local(engine, kind, &local_error) != 0)
        log_warning("%s", local_error.message);
    events_add(engine->events, "warning", "key-rotated", NULL, NULL,
        "the %s key is now %s; %s is no longer used", key_kind_name(kind), now,
        before);
    if (engine->fleet != NULL)
        fleet_keys_rotated(engine->fleet, kind);
    return 0;
}

bool
key_rotation_waits(const struct engine *engine, enum key_kind kind)
{
    if (engine->node.role == NODE_PRIMARY)
        return engine->fleet == NULL ||
               !fleet_keys_known(engine->fleet, engine->keys.next[kind].forced);
    return engine->node.role == NODE_SECONDARY && kind == KEY_HOST;
}

void
key_rotation_check(struct engine *engine)
{
    bool ready[KEY_KINDS];

    if (engine->role_changing || engine->stopping)
        return;
    /* All at once: what the first one changes, the others knew of. */
    for (size_t i = 0; i < KEY_KINDS; i++)
        ready[i] = engine->keys.next[i].made &&
                   !key_rotation_waits(engine, (enum key_kind)i);
    for (size_t i = 0; i < KEY_KINDS; i++) {
        struct err e = ERR_INIT;

        if (ready[i] && take_into_use(engine, (enum key_kind)i, &e) != 0)
            log_error("could not use the next %s key: %s",
                key_kind_name((enum key_kind)i), e.message);
    }
}

void
key_rotation_host_pinned(struct engine *engine)
{
    struct err e = ERR_INIT;

    if (take_into_use(engine, KEY_HOST, &e) != 0)
        log_error("could not use the next host key: %s", e.message);
}

int
key_rotation_start(struct engine *engine, enum key_kind kind, bool force,
    const char *who, struct err *e)
{
    struct key_successor *next = &engine->keys.next[kind];
    bool made = next->made;
    char text[64];

    if (engine->role_changing)
        return err_set(e, ERR_BUSY, "this node is changing its role");
    if (keys_make_next(&engine->keys, engine->settings.state_dir, kind, e) !=
            0 ||
        tell_local(engine, kind, e) != 0)
        return -1;
    key_fingerprint(next->public_key, text);
    if (!made)
        events_add(engine->events, "info", "key-made", NULL, NULL,
            "%s was made as the next %s key by %s", text, key_kind_name(kind),
            who);
    if (force && !next->forced && key_rotation_waits(engine, kind) &&
        force_next(engine, kind, who, e) != 0)
        return -1;
    if (next->forced && engine->node.role == NODE_SECONDARY)
        return take_into_use(engine, kind, e);
    if (engine->fleet != NULL)
        fleet_keys_announce(engine->fleet);
    key_rotation_check(engine);
    return 0;
}

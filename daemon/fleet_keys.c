/*
 * Keys between this primary and its servers: each is told which keys of ours
 * are in use and which will be, over its push connection, until it confirmed
 * that it has them in its store; and each may announce a successor of its host
 * key the same way.  A connection is made anew as soon as that costs nothing,
 * so that a key that is no longer needed does not count for longer.
 */
#include <stdlib.h>
#include <string.h>

#include "admin-proto/push_frame.h"
#include "admin-proto/ssh_client.h"
#include "base/alloc.h"
#include "base/json.h"
#include "daemon/events.h"
#include "daemon/fleet_internal.h"
#include "daemon/fleet_registration.h"
#include "daemon/key_announcement.h"
#include "daemon/key_rotation.h"
#include "daemon/keys_openssh.h"
#include "daemon/link_control.h"

static void
announcement_hash(const struct fleet *fleet, uint8_t hash[HASH_SIZE])
{
    struct key_announcement a;

    key_announcement_of(&fleet->engine->node, &fleet->engine->keys, &a);
    key_announcement_hash(&a, hash);
}

static bool
knows(const struct server *server, const uint8_t hash[HASH_SIZE])
{
    const struct server_keys *keys = &server->keys.stored;

    return keys->was_told && memcmp(keys->told, hash, HASH_SIZE) == 0;
}

static bool
is_rotating(const struct keys *keys)
{
    for (size_t i = 0; i < KEY_KINDS; i++) {
        if (keys->next[i].made)
            return true;
    }
    return false;
}

/* Cannot be told now, as far as the last try to do so shows. */
static bool
is_out_of_reach(const struct server *server)
{
    if (server->ready)
        return server->keys.stuck;
    return server_paused(server) || server->unreachable || server->refused ||
           server->key_changed;
}

bool
fleet_keys_known(const struct fleet *fleet, bool forced)
{
    uint8_t hash[HASH_SIZE];

    /* What is being added is told the keys of now, and listed in a moment. */
    for (const struct registration *r = fleet->registrations; r != NULL;
         r = r->next) {
        if (r->aim == AIM_ADD || r->again)
            return false;
    }
    announcement_hash(fleet, hash);
    for (size_t i = 0; i < fleet->server_count; i++) {
        const struct server *server = fleet->servers[i];

        if (!knows(server, hash) && !(forced && is_out_of_reach(server)))
            return false;
    }
    return true;
}

static int
save(struct server *server, struct err *e)
{
    if (server->removed)
        return 0;
    return store_server_keys_save(server->fleet->engine->node.store,
        server->record.id, &server->keys.stored, e);
}

static void
failed(struct server *server, const struct err *e)
{
    struct server_key_work *k = &server->keys;

    k->stuck = true;
    k->unable = e->code == ERR_NOT_FOUND;
    if ((is_rotating(&server->fleet->engine->keys) ||
            e->code != ERR_NOT_FOUND) &&
        (k->error.code != e->code || strcmp(k->error.message, e->message) != 0))
        events_add(server->fleet->engine->events, "warning", "key-refused",
            server->record.name, NULL, "could not tell it our keys: %s",
            e->message);
    k->error = *e;
}

/* Its host key. */

static void
blob_of(const uint8_t public_key[ED25519_PUBLIC_SIZE], uint8_t **blob,
    size_t *len)
{
    struct buf b = BUF_INIT;

    openssh_public_blob(public_key, &b);
    *blob = buf_steal(&b, len);
}

static bool
is_pinned(const struct server *server,
    const uint8_t public_key[ED25519_PUBLIC_SIZE])
{
    uint8_t *blob;
    size_t len;
    bool same;

    blob_of(public_key, &blob, &len);
    same = len == server->record.host_key_len &&
           memcmp(blob, server->record.host_key, len) == 0;
    free(blob);
    return same;
}

void
server_keys_pinned(const struct server *server, uint8_t **blob, size_t *len)
{
    if (server->keys.try_next && server->keys.stored.has_host_next) {
        blob_of(server->keys.stored.host_next, blob, len);
        return;
    }
    *blob = alloc_copy(server->record.host_key, server->record.host_key_len);
    *len = server->record.host_key_len;
}

bool
server_keys_try_other(struct server *server)
{
    struct server_key_work *k = &server->keys;

    if (!k->stored.has_host_next || k->tried_both) {
        k->tried_both = false;
        return false;
    }
    k->try_next = !k->try_next;
    k->tried_both = true;
    return true;
}

void
server_keys_connected(struct server *server)
{
    struct server_key_work *k = &server->keys;
    struct err e = ERR_INIT;
    char fingerprint[64];

    k->tried_both = false;
    if (!k->try_next || !k->stored.has_host_next)
        return;
    k->try_next = false;
    free(server->record.host_key);
    blob_of(k->stored.host_next, &server->record.host_key,
        &server->record.host_key_len);
    key_fingerprint(k->stored.host_next, fingerprint);
    /* In this order: one that is pinned twice does no harm. */
    server_save(server, true);
    k->stored.has_host_next = false;
    if (save(server, &e) != 0)
        failed(server, &e);
    events_add(server->fleet->engine->events, "info", "key-rotated",
        server->record.name, NULL,
        "it shows its host key %s as it announced; the one before counts no "
        "more",
        fingerprint);
}

void
server_keys_trust(struct server *server)
{
    struct err e = ERR_INIT;

    server->keys.try_next = false;
    server->keys.stored.has_host_next = false;
    if (save(server, &e) != 0)
        failed(server, &e);
}

/* What it said of its host key: pinned before it hears so. */
static int
take_host_keys(struct server *server, const struct key_successor *now,
    const struct key_successor *next, struct err *e)
{
    struct server_key_work *k = &server->keys;
    bool known =
        k->stored.has_host_next && next->made &&
        memcmp(k->stored.host_next, next->public_key, ED25519_PUBLIC_SIZE) == 0;
    char fingerprint[64];

    if (next->made && !known) {
        k->stored.has_host_next = true;
        memcpy(k->stored.host_next, next->public_key, ED25519_PUBLIC_SIZE);
        if (save(server, e) != 0) {
            k->stored.has_host_next = false;
            return -1;
        }
        key_fingerprint(next->public_key, fingerprint);
        events_add(server->fleet->engine->events, "info", "key-announced",
            server->record.name, NULL, "its next host key is %s", fingerprint);
        k->notice = true; /* it waits to hear that */
    } else if (!next->made && k->stored.has_host_next &&
               is_pinned(server, now->public_key)) {
        /* It was brought back from before it had one. */
        k->stored.has_host_next = false;
        return save(server, e);
    } else if (!is_pinned(server, now->public_key)) {
        k->relink = true;
        k->try_next = k->stored.has_host_next;
    }
    return 0;
}

/* Telling. */

/* It was never told of a key that we use: it gets nothing more until it was, or
 * an administrator there trusts it. */
static void
stop(struct server *server, const struct err *e)
{
    server->key_changed = true;
    server_failed(server, e);
}

void
server_keys_explain(const struct server *server, struct err *e)
{
    const struct keys *keys = &server->fleet->engine->keys;
    uint8_t hash[HASH_SIZE];
    char fingerprint[64];

    announcement_hash(server->fleet, hash);
    if (e->code != ERR_LOGIN)
        return;
    if (knows(server, hash)) {
        err_hint(e,
            "It knows this primary no more. If it was installed anew, or "
            "detached, run \"lockstep server trust %s --again --fingerprint "
            "SHA256:...\", which registers it again.",
            server->record.name);
        return;
    }
    admin_fingerprint(keys->login_blob, keys->login_blob_len, fingerprint);
    err_hint(e,
        "It has not confirmed our keys of now: if it never heard of them, run "
        "\"lockstep key trust login %s\" there.",
        fingerprint);
}

static void
told(void *ctx, const json_t *result, const struct err *error)
{
    struct server *server = ctx;
    struct server_key_work *k = &server->keys;
    struct fleet *fleet = server->fleet;
    struct key_successor now, next;
    struct err e = *error;

    k->exchange = NULL;
    if (e.code != ERR_NONE) {
        failed(server, &e);
        if (e.code == ERR_KEY_CHANGED)
            stop(server, &e);
        key_rotation_check(fleet->engine);
        server_pump(server);
        return;
    }
    memcpy(k->stored.told, k->sent, HASH_SIZE);
    k->stored.was_told = true;
    if (key_member_read(result, "host_key", true, &now, &e) != 0 ||
        key_member_read(result, "host_key_next", false, &next, &e) != 0 ||
        take_host_keys(server, &now, &next, &e) != 0 || save(server, &e) != 0) {
        k->stored.was_told = false;
        failed(server, &e);
        server_pump(server);
        return;
    }
    err_clear(&k->error);
    key_rotation_check(fleet->engine);
    server->key_changed = false;
    server_pump(server);
}

/* Bundles that the key before signed are through. */
static bool
is_quiet(const struct server *server)
{
    for (size_t i = 0; i < server->lane_count; i++) {
        if (server->lanes[i]->state != LANE_IDLE &&
            server->lanes[i]->state != LANE_CLOSED)
            return false;
    }
    return true;
}

static void
tell(struct server *server, const uint8_t hash[HASH_SIZE])
{
    struct server_key_work *k = &server->keys;
    struct engine *engine = server->fleet->engine;
    const struct bundle_signer signer = keys_signer(&engine->keys);
    struct key_announcement a;
    struct key_successor pinned = { .made = k->stored.has_host_next };
    struct err e = ERR_INIT;
    json_t *args;

    key_announcement_of(&engine->node, &engine->keys, &a);
    args = key_announcement_json(&a, &signer, &e);
    if (args == NULL) {
        failed(server, &e);
        return;
    }
    memcpy(pinned.public_key, k->stored.host_next, ED25519_PUBLIC_SIZE);
    json_object_set_new(args, "host_key_next", key_member_json(&pinned));
    memcpy(k->sent, hash, HASH_SIZE);
    k->notice = false;
    k->exchange =
        link_control_run(server->link, "node keys", args, told, server);
    json_decref(args);
}

bool
server_keys_come_first(const struct server *server)
{
    uint8_t hash[HASH_SIZE];

    if (!server->fleet->bundle_key_rotated || server->keys.stuck ||
        server->removal != NULL)
        return false;
    announcement_hash(server->fleet, hash);
    return !knows(server, hash);
}

void
server_keys_pump(struct server *server)
{
    struct server_key_work *k = &server->keys;
    uint8_t hash[HASH_SIZE];

    if (!server->ready || server->removed || server->removal != NULL ||
        k->exchange != NULL)
        return;
    if (k->relink) {
        if (server_keys_wants_link(server))
            fleet_schedule(server->fleet);
        return;
    }
    if (k->stuck)
        return;
    announcement_hash(server->fleet, hash);
    if ((k->notice || !knows(server, hash)) &&
        (!server->fleet->bundle_key_rotated || is_quiet(server)))
        tell(server, hash);
}

bool
server_keys_wants_link(const struct server *server)
{
    return server->keys.relink && server->ready && server->removal == NULL &&
           server->keys.exchange == NULL && server->heartbeat == NULL &&
           server->collecting == NULL && server->fleet->tells == NULL &&
           is_quiet(server);
}

void
server_keys_link_down(struct server *server)
{
    struct server_key_work *k = &server->keys;

    link_control_cancel(k->exchange);
    k->exchange = NULL;
    k->relink = false;
    k->stuck = false;
    k->unable = false;
}

void
server_keys_round(struct server *server)
{
    server->keys.stuck = server->keys.unable;
}

void
server_keys_noticed(struct server *server, const struct link_reply *reply)
{
    static const char keys[] = " " PUSH_NOTICE_KEYS;
    const size_t len = strlen(keys);

    if (reply->type == SFTP_STATUS && reply->status == SFTP_OK &&
        reply->text_len > len && reply->text_len < PUSH_NOTICE_MAX &&
        memcmp(reply->text + reply->text_len - len, keys, len) == 0)
        server->keys.notice = true;
}

void
server_keys_load(struct server *server)
{
    struct err e = ERR_INIT;

    if (store_server_keys_load(server->fleet->engine->node.store,
            server->record.id, &server->keys.stored, &e) != 0)
        failed(server, &e);
}

void
server_keys_enrolled(struct server *server)
{
    const struct engine *engine = server->fleet->engine;
    struct key_announcement a;
    struct err e = ERR_INIT;

    key_announcement_of(&engine->node, &engine->keys, &a);
    memset(a.next, 0, sizeof(a.next)); /* enrolment knows of no successors */
    key_announcement_hash(&a, server->keys.stored.told);
    server->keys.stored.was_told = true;
    if (save(server, &e) != 0)
        failed(server, &e);
}

void
fleet_keys_announce(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->server_count; i++) {
        server_keys_round(fleet->servers[i]);
        server_keys_pump(fleet->servers[i]);
    }
}

void
fleet_keys_rotated(struct fleet *fleet, enum key_kind kind)
{
    if (kind == KEY_BUNDLE) {
        fleet->bundle_key_rotated = true;
        fleet_forget_bundles(fleet);
    }
    for (size_t i = 0; i < fleet->server_count; i++) {
        if (kind == KEY_LOGIN && fleet->servers[i]->link != NULL)
            fleet->servers[i]->keys.relink = true;
    }
    fleet_keys_announce(fleet);
    fleet_schedule(fleet);
}

/* For readers. */

static json_t *
why_unknown(const struct server *server)
{
    const struct err *e = &server->keys.error;

    if (server->record.paused)
        return json_text("paused");
    if (e->code == ERR_NOT_FOUND)
        return json_text("its version knows nothing of successors");
    if (e->code != ERR_NONE)
        return json_text(e->message);
    if (!server->ready && server->error.code != ERR_NONE)
        return json_text(server->error.message);
    return json_text(server->ready ? "has not confirmed yet" : "not connected");
}

json_t *
fleet_keys_json(const struct fleet *fleet)
{
    json_t *servers = json_array();
    uint8_t hash[HASH_SIZE];

    announcement_hash(fleet, hash);
    for (size_t i = 0; i < fleet->server_count; i++) {
        const struct server *server = fleet->servers[i];
        const struct server_keys *keys = &server->keys.stored;
        char fingerprint[64], next[64];
        bool known = knows(server, hash);

        admin_fingerprint(server->record.host_key, server->record.host_key_len,
            fingerprint);
        key_fingerprint(keys->host_next, next);
        json_array_append_new(servers,
            json_pack("{s:s, s:s, s:o, s:b, s:o}", "name", server->record.name,
                "fingerprint", fingerprint, "next",
                json_text(keys->has_host_next ? next : NULL), "confirmed",
                known, "why", known ? json_null() : why_unknown(server)));
    }
    return servers;
}

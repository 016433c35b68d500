/*
 * The commands "key show", "key rotate" and "key trust".
 */
#include <string.h>

#include "base/json.h"
#include "daemon/control.h"
#include "daemon/engine.h"
#include "daemon/fleet.h"
#include "daemon/key_rotation.h"
#include "daemon/keys_openssh.h"
#include "daemon/node_keys.h"

static const uint8_t none[ED25519_PUBLIC_SIZE];

static json_t *
fingerprint_json(const uint8_t public_key[ED25519_PUBLIC_SIZE])
{
    char text[64];

    if (memcmp(public_key, none, sizeof(none)) == 0)
        return json_null();
    key_fingerprint(public_key, text);
    return json_text(text);
}

static const char *
state_of(const struct engine *engine, enum key_kind kind, bool known)
{
    if (engine->keys.next[kind].made)
        return "announcing";
    /* Nobody may be left who still accepts the key before it. */
    return engine->node.role == NODE_PRIMARY && !known ? "finishing" : "in use";
}

static json_t *
keys_json(const struct engine *engine)
{
    bool known =
        engine->fleet != NULL && fleet_keys_known(engine->fleet, false);
    json_t *list = json_array();

    for (size_t i = 0; i < KEY_KINDS; i++) {
        enum key_kind kind = (enum key_kind)i;
        uint8_t now[ED25519_PUBLIC_SIZE];

        keys_public(&engine->keys, kind, now);
        json_array_append_new(list,
            json_pack("{s:s, s:o, s:o, s:s}", "kind", key_kind_name(kind),
                "fingerprint", fingerprint_json(now), "next",
                fingerprint_json(engine->keys.next[i].public_key), "state",
                state_of(engine, kind, known)));
    }
    return list;
}

/* Whom a rotation waits for. */
static json_t *
waits_json(const struct engine *engine, const json_t *servers)
{
    json_t *list = json_array();
    const json_t *server;
    size_t i;

    json_array_foreach (servers, i, server) {
        if (!json_is_true(json_object_get(server, "confirmed")))
            json_array_append_new(list,
                json_pack("{s:O, s:O}", "name", json_object_get(server, "name"),
                    "why", json_object_get(server, "why")));
    }
    if (engine->keys.next[KEY_HOST].made &&
        key_rotation_waits(engine, KEY_HOST) &&
        engine->node.role == NODE_SECONDARY)
        json_array_append_new(list,
            json_pack("{s:o, s:s}", "name",
                json_text(engine->node.primary_name), "why",
                "the primary has not confirmed yet"));
    return list;
}

static json_t *
trusted_json(const char *fingerprint)
{
    return json_text(fingerprint[0] != '\0' ? fingerprint : NULL);
}

static json_t *
primary_json(const struct node *node)
{
    const uint8_t *login = node->primary_login_blob;

    if (node->role != NODE_SECONDARY)
        return json_null();
    if (login != NULL && node->primary_login_blob_len == ED25519_BLOB_SIZE)
        login += ED25519_BLOB_SIZE - ED25519_PUBLIC_SIZE;
    else
        login = none;
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
        json_text(node->primary_name), "host",
        json_text(node->primary_fingerprint), "login", fingerprint_json(login),
        "login_next", fingerprint_json(node->primary_login_next), "bundle",
        fingerprint_json(node->primary_bundle_key), "bundle_next",
        fingerprint_json(node->primary_bundle_next), "login_trusted",
        trusted_json(node->primary_login_trusted), "bundle_trusted",
        trusted_json(node->primary_bundle_trusted));
}

static void
finish_with_keys(struct control_call *call)
{
    const struct engine *engine = control_engine(call);
    json_t *servers = fleet_keys_json(engine->fleet);
    json_t *waits = waits_json(engine, servers);

    control_finish(call, json_pack("{s:o, s:o, s:o, s:o}", "keys",
                             keys_json(engine), "waits_for", waits, "servers",
                             servers, "primary", primary_json(&engine->node)));
}

static int
take_kind(const json_t *args, enum key_kind *kind, struct err *e)
{
    const char *name = NULL;

    if (json_member_string(args, "kind", true, &name, e) != 0)
        return -1;
    if (key_kind_parse(name, kind))
        return 0;
    err_set(e, ERR_INVALID, "there is no \"%s\" key", name);
    err_hint(e, "The keys are host, login and bundle.");
    return -1;
}

static void
run_trust(struct control_call *call)
{
    const json_t *args = control_args(call);
    const char *fingerprint = NULL;
    struct err e = ERR_INIT;
    enum key_kind kind;

    if (take_kind(args, &kind, &e) != 0 ||
        json_member_string(args, "fingerprint", true, &fingerprint, &e) != 0 ||
        node_keys_trust(control_engine(call), kind, fingerprint,
            control_who(call), &e) != 0)
        control_fail(call, &e);
    else
        finish_with_keys(call);
}

static void
run_rotate(struct control_call *call)
{
    const json_t *args = control_args(call);
    struct err e = ERR_INIT;
    enum key_kind kind;
    bool force = false;

    if (take_kind(args, &kind, &e) != 0 ||
        json_member_bool(args, "force", false, &force, &e) != 0 ||
        key_rotation_start(control_engine(call), kind, force, control_who(call),
            &e) != 0)
        control_fail(call, &e);
    else
        finish_with_keys(call);
}

static const char *const no_arguments[] = { NULL };
static const char *const rotate_arguments[] = { "kind", "force", NULL };
static const char *const trust_arguments[] = { "kind", "fingerprint", NULL };

const struct control_command control_key_commands[] = {
    { "key show", 0, ROLE_VIEWER, no_arguments, finish_with_keys },
    { "key rotate", 0, ROLE_ADMIN, rotate_arguments, run_rotate },
    { "key trust", 0, ROLE_ADMIN, trust_arguments, run_trust },
    { NULL, 0, ROLE_NONE, NULL, NULL },
};

/*
 * The command "node keys": a primary tells this secondary which keys it uses
 * and will use, and hears about our host key.  What it announced is accepted
 * beside what it uses, until it says that it uses that: then the key before it
 * is forgotten.  A key that it did not announce is refused, unless an
 * administrator here accepted it by its fingerprint.
 */
#include "daemon/node_keys.h"

#include <stdlib.h>
#include <string.h>

#include "admin-proto/ssh_client.h"
#include "base/alloc.h"
#include "base/json.h"
#include "daemon/datasets.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/inbound.h"
#include "daemon/key_announcement.h"
#include "daemon/key_rotation.h"
#include "daemon/keys_openssh.h"

#define FINGERPRINT_LEN 50 /* "SHA256:" and base64 of 32 bytes */

static const uint8_t none[ED25519_PUBLIC_SIZE];

static bool
is_key(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, ED25519_PUBLIC_SIZE) == 0;
}

static int
check_sender(const struct node *node, const struct key_announcement *a,
    struct err *e)
{
    if (node->role != NODE_SECONDARY)
        return err_set(e, ERR_ROLE, "this node is no secondary but %s",
            node_role_name(node->role));
    if (memcmp(a->cluster, node->cluster, ID_SIZE) != 0)
        return err_set(e, ERR_OTHER_CLUSTER,
            "this node belongs to cluster \"%s\"", node->cluster_name);
    if (a->epoch < node->epoch)
        return err_set(e, ERR_STALE_EPOCH,
            "epoch %llu is over: this node has seen %llu",
            (unsigned long long)a->epoch, (unsigned long long)node->epoch);
    if (memcmp(a->primary_id, node->primary_id, ID_SIZE) != 0)
        return err_set(e, ERR_OTHER_WRITER,
            "this node belongs to the primary \"%s\"", node->primary_name);
    return 0;
}

/* The keys that it says it uses are those that we know from before. */
static int
check_keys(const struct node *node, const struct key_announcement *a,
    struct err *e)
{
    static const uint8_t no_login[ED25519_BLOB_SIZE];
    const uint8_t *login =
        node->primary_login_blob != NULL &&
                node->primary_login_blob_len == ED25519_BLOB_SIZE
            ? node->primary_login_blob
            : no_login;
    const struct {
        enum key_kind kind;
        const uint8_t *now;
        const uint8_t *next;
        const char *trusted;
    } held[] = {
        { KEY_LOGIN, login + ED25519_BLOB_SIZE - ED25519_PUBLIC_SIZE,
            node->primary_login_next, node->primary_login_trusted },
        { KEY_BUNDLE, node->primary_bundle_key, node->primary_bundle_next,
            node->primary_bundle_trusted },
    };
    char shown[64];

    for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++) {
        const uint8_t *used = a->now[held[i].kind];

        if (is_key(used, held[i].now) ||
            (is_key(used, held[i].next) && !is_key(used, none)))
            continue;
        key_fingerprint(used, shown);
        if (strcmp(shown, held[i].trusted) == 0)
            continue;
        err_set(e, ERR_KEY_CHANGED,
            "the %s key %s of primary \"%s\" was not announced",
            key_kind_name(held[i].kind), shown, node->primary_name);
        err_hint(e,
            "If it was replaced on purpose, compare it with \"lockstep key "
            "show\" on the primary, then run \"lockstep key trust %s "
            "SHA256:...\" on \"%s\".",
            key_kind_name(held[i].kind), node->name);
        return -1;
    }
    return 0;
}

static void
take_next(uint8_t held[ED25519_PUBLIC_SIZE], const struct key_successor *next)
{
    memcpy(held, next->made ? next->public_key : none, ED25519_PUBLIC_SIZE);
}

/* What was announced or came into use, one event each. */
static void
report(struct engine *engine, const struct node *before)
{
    const struct node *n = &engine->node;
    const struct {
        enum key_kind kind;
        const uint8_t *before, *now;
    } next[] = {
        { KEY_LOGIN, before->primary_login_next, n->primary_login_next },
        { KEY_BUNDLE, before->primary_bundle_next, n->primary_bundle_next },
    };
    char text[64];

    for (size_t i = 0; i < sizeof(next) / sizeof(next[0]); i++) {
        const char *name = key_kind_name(next[i].kind);

        if (is_key(next[i].before, next[i].now))
            continue;
        if (!is_key(next[i].now, none)) {
            key_fingerprint(next[i].now, text);
            events_add(engine->events, "info", "key-announced", NULL, NULL,
                "the next %s key of primary \"%s\" is %s", name,
                n->primary_name, text);
        } else {
            key_fingerprint(next[i].before, text);
            events_add(engine->events, "info", "key-rotated", NULL, NULL,
                "primary \"%s\" uses its %s key %s as it announced; the one "
                "before counts no more",
                n->primary_name, name, text);
        }
    }
}

/* A key that is in use needs no word of an administrator any more. */
static void
end_trust(char *trusted, const uint8_t used[ED25519_PUBLIC_SIZE])
{
    char fingerprint[64];

    key_fingerprint(used, fingerprint);
    if (strcmp(fingerprint, trusted) == 0)
        trusted[0] = '\0';
}

/* Everything durable at once; nothing on error. */
static int
store(struct engine *engine, const struct key_announcement *a,
    bool *bundle_changed, struct err *e)
{
    struct node n = engine->node;
    const struct node before = engine->node;
    struct buf login = BUF_INIT;
    char host[64];

    memcpy(n.primary_bundle_key, a->now[KEY_BUNDLE], ED25519_PUBLIC_SIZE);
    take_next(n.primary_bundle_next, &a->next[KEY_BUNDLE]);
    take_next(n.primary_login_next, &a->next[KEY_LOGIN]);
    key_fingerprint(a->now[KEY_HOST], host);
    snprintf(n.primary_fingerprint, sizeof(n.primary_fingerprint), "%s", host);
    openssh_public_blob(a->now[KEY_LOGIN], &login);
    n.primary_login_blob = login.data;
    n.primary_login_blob_len = login.len;
    end_trust(n.primary_login_trusted, a->now[KEY_LOGIN]);
    end_trust(n.primary_bundle_trusted, a->now[KEY_BUNDLE]);
    if (node_save(&n, e) != 0) {
        buf_release(&login);
        return -1;
    }
    engine->node = n;
    *bundle_changed =
        !is_key(before.primary_bundle_key, n.primary_bundle_key) ||
        !is_key(before.primary_bundle_next, n.primary_bundle_next);
    free(before.primary_login_blob);
    report(engine, &before);
    return 0;
}

/* What the primary has to know of our host key, once it is through. */
static void
finish(void *ctx, const struct err *e)
{
    struct control_call *call = ctx;
    struct engine *engine = control_engine(call);
    struct key_successor now = { .made = true };

    if (e->code != ERR_NONE) {
        control_fail(call, e);
        return;
    }
    if (!engine->stopping)
        inbounds_check_logins(engine->inbounds);
    keys_public(&engine->keys, KEY_HOST, now.public_key);
    control_finish(call,
        json_pack("{s:o, s:o}", "host_key", key_member_json(&now),
            "host_key_next", key_member_json(&engine->keys.next[KEY_HOST])));
}

void
node_keys_run(struct control_call *call)
{
    struct engine *engine = control_engine(call);
    const struct key_successor *next = &engine->keys.next[KEY_HOST];
    const json_t *args = control_args(call);
    struct key_announcement a;
    struct key_successor pinned;
    struct err e = ERR_INIT;
    bool bundle_changed = false;

    if (engine->role_changing) {
        err_set(&e, ERR_BUSY, "this node is changing its role");
        goto fail;
    }
    if (key_announcement_read(args, &a, &e) != 0 ||
        key_member_read(args, "host_key_next", false, &pinned, &e) != 0 ||
        check_sender(&engine->node, &a, &e) != 0 ||
        check_keys(&engine->node, &a, &e) != 0 ||
        store(engine, &a, &bundle_changed, &e) != 0)
        goto fail;
    if (pinned.made && next->made &&
        is_key(pinned.public_key, next->public_key))
        key_rotation_host_pinned(engine);
    if (bundle_changed)
        datasets_trust(engine->datasets, finish, call);
    else
        finish(call, &e);
    return;
fail:
    control_fail(call, &e);
}

static bool
is_fingerprint(const char *text)
{
    static const char prefix[] = "SHA256:";
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    return strncmp(text, prefix, strlen(prefix)) == 0 &&
           strlen(text) == FINGERPRINT_LEN &&
           strspn(text + strlen(prefix), digits) ==
               FINGERPRINT_LEN - strlen(prefix);
}

int
node_keys_trust(struct engine *engine, enum key_kind kind,
    const char *fingerprint, const char *who, struct err *e)
{
    struct node n = engine->node;
    char *trusted =
        kind == KEY_LOGIN ? n.primary_login_trusted : n.primary_bundle_trusted;

    if (kind == KEY_HOST) {
        err_set(e, ERR_INVALID, "a host key is not trusted here");
        err_hint(e, "The primary trusts the host keys of its servers: "
                    "\"lockstep server trust\".");
        return -1;
    }
    if (n.role != NODE_SECONDARY || engine->role_changing)
        return err_set(e, ERR_ROLE, "this node has no primary");
    if (!is_fingerprint(fingerprint)) {
        err_set(e, ERR_INVALID, "\"%.64s\" is no fingerprint", fingerprint);
        err_hint(e,
            "\"lockstep key show\" on the primary shows it: \"SHA256:\" "
            "and 43 characters.");
        return -1;
    }
    memcpy(trusted, fingerprint, FINGERPRINT_LEN + 1);
    if (node_save(&n, e) != 0)
        return -1;
    engine->node = n;
    events_add(engine->events, "warning", "key-trusted", NULL, NULL,
        "%s was accepted as the %s key of primary \"%s\" by %s", fingerprint,
        key_kind_name(kind), n.primary_name, who);
    return 0;
}

/*
 * What the file says is kept as it is; what was used is remembered by the hash
 * of its secret.
 */
#include "daemon/join.h"

#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/join_secret.h"
#include "base/json.h"
#include "base/log.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/keys_openssh.h"
#include "daemon/store.h"
#include "ipfilter/ruleset.h"

#define VALUE "join"
#define USED_VALUE "join used"

/* The members of the file that count here, borrowed. */
struct join {
    const char *host;
    const char *name;
    const char *primary_name;
    const char *primary_id;
    const char *login; /* fingerprints */
    const char *bundle;
    int64_t expires_ms;
    uint8_t secret[JOIN_SECRET_SIZE];
};

static int
read_join(const json_t *file, struct join *j, struct err *e)
{
    const char *expires = NULL, *secret = NULL;
    int64_t version = 0;

    if (json_member_int(file, "lockstep_join", true, &version, e) != 0 ||
        json_member_string(file, "host", true, &j->host, e) != 0 ||
        json_member_string(file, "name", true, &j->name, e) != 0 ||
        json_member_string(file, "primary_name", true, &j->primary_name, e) !=
            0 ||
        json_member_string(file, "primary_id", true, &j->primary_id, e) != 0 ||
        json_member_string(file, "login", true, &j->login, e) != 0 ||
        json_member_string(file, "bundle", true, &j->bundle, e) != 0 ||
        json_member_string(file, "expires", true, &expires, e) != 0 ||
        json_member_string(file, "secret", true, &secret, e) != 0 ||
        clock_parse(expires, &j->expires_ms, e) != 0)
        return -1;
    if (version != JOIN_FILE_VERSION)
        return err_set(e, ERR_VERSION, "the join file is of another version");
    if (!hex_decode(secret, j->secret, sizeof(j->secret)))
        return err_set(e, ERR_INVALID, "the join file is damaged");
    return 0;
}

static bool
is_own_address(const char *host)
{
    struct ip_address wanted, own;
    struct ifaddrs *list = NULL;
    struct err ignored = ERR_INIT;
    bool found = false;

    if (ip_address_parse(host, &wanted, &ignored) != 0 ||
        getifaddrs(&list) != 0)
        return false;
    for (const struct ifaddrs *i = list; i != NULL && !found; i = i->ifa_next)
        found = i->ifa_addr != NULL &&
                ip_address_from_socket(i->ifa_addr, &own) &&
                memcmp(&own, &wanted, sizeof(own)) == 0;
    freeifaddrs(list);
    return found;
}

static int
check_host(const struct engine *engine, const struct join *j, struct err *e)
{
    const char *own = engine->node.name;

    if (strcasecmp(j->name, own) == 0 || strcasecmp(j->host, own) == 0 ||
        is_own_address(j->host))
        return 0;
    err_set(e, ERR_INVALID, "the join file is for \"%s\" at %s, this is \"%s\"",
        j->name, j->host, own);
    err_hint(e, "Make one for this host, or give this node that name.");
    return -1;
}

static void
hash_secret(const struct join *j, uint8_t hash[HASH_SIZE])
{
    hash_bytes(j->secret, sizeof(j->secret), hash);
}

static int
check_unused(const struct engine *engine, const struct join *j, struct err *e)
{
    uint8_t hash[HASH_SIZE], *used = NULL;
    size_t len = 0;
    bool same;

    if (store_get(engine->node.store, USED_VALUE, &used, &len, e) != 0)
        return -1;
    hash_secret(j, hash);
    same = len == sizeof(hash) && memcmp(used, hash, len) == 0;
    free(used);
    if (!same)
        return 0;
    err_set(e, ERR_EXISTS, "the join file was used already");
    err_hint(e,
        "Run \"lockstep join-file create\" on the primary for another.");
    return -1;
}

static int
check_time(const struct join *j, struct err *e)
{
    if (clock_utc_ms() < j->expires_ms)
        return 0;
    err_set(e, ERR_TIMEOUT, "the join file has expired");
    err_hint(e,
        "Run \"lockstep join-file create\" on the primary for another.");
    return -1;
}

int
join_accept(struct engine *engine, const json_t *file, struct err *e)
{
    struct join j = { .host = NULL };
    char *text = NULL;
    int r = -1;

    if (read_join(file, &j, e) != 0 || check_time(&j, e) != 0 ||
        check_unused(engine, &j, e) != 0 || check_host(engine, &j, e) != 0)
        goto out;
    if (engine->node.role != NODE_STANDALONE) {
        err_set(e, ERR_ROLE, "this node is a %s already",
            node_role_name(engine->node.role));
        err_hint(e, "Only a standalone node joins; \"lockstep node detach\" "
                    "makes a secondary one.");
        goto out;
    }
    text = json_write(file);
    r = store_put(engine->node.store, VALUE, text, strlen(text), e);
    if (r == 0)
        events_add(engine->events, "info", "join-open", NULL, NULL,
            "\"%s\" may make this node its secondary, once, until %s",
            j.primary_name,
            json_string_value(json_object_get(file, "expires")));
out:
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
    explicit_bzero(&j, sizeof(j));
    return r;
}

/* What is kept, while it may be used; the caller releases. */
static json_t *
open_join(const struct engine *engine, struct join *j)
{
    struct err e = ERR_INIT;
    uint8_t *text = NULL;
    json_t *file = NULL;
    size_t len = 0;

    if (engine->node.role != NODE_STANDALONE ||
        store_get(engine->node.store, VALUE, &text, &len, &e) != 0 ||
        text == NULL)
        return NULL;
    if (json_read_object((const char *)text, len, &file, &e) != 0 ||
        read_join(file, j, &e) != 0 || check_time(j, &e) != 0) {
        json_decref(file);
        file = NULL;
    }
    explicit_bzero(text, len);
    free(text);
    return file;
}

static void
release(json_t *file, struct join *j)
{
    json_decref(file);
    explicit_bzero(j, sizeof(*j));
}

bool
join_is_open(const struct engine *engine)
{
    struct join j = { .host = NULL };
    json_t *file = open_join(engine, &j);
    bool is_open = file != NULL;

    release(file, &j);
    return is_open;
}

bool
join_check_password(const struct engine *engine, const char *password)
{
    struct join j = { .host = NULL };
    char proof[JOIN_PROOF_SIZE];
    json_t *file = open_join(engine, &j);
    bool matches = false;

    if (file != NULL && strlen(password) == JOIN_PROOF_SIZE - 1) {
        join_secret_prove(j.secret, JOIN_PRIMARY, engine->keys.fingerprint,
            proof);
        matches = bytes_equal_secret(proof, password, JOIN_PROOF_SIZE - 1);
    }
    release(file, &j);
    return matches;
}

json_t *
join_proof_json(const struct engine *engine)
{
    struct join j = { .host = NULL };
    char proof[JOIN_PROOF_SIZE];
    json_t *file = open_join(engine, &j);
    json_t *text = json_null();

    if (file != NULL) {
        join_secret_prove(j.secret, JOIN_NODE, engine->keys.fingerprint, proof);
        text = json_string(proof);
    }
    release(file, &j);
    return text;
}

static bool
is_key(const uint8_t *key, const char *fingerprint)
{
    char text[64];

    key_fingerprint(key, text);
    return strcmp(text, fingerprint) == 0;
}

int
join_check_enrollment(const struct engine *engine, const struct enrollment *en,
    struct err *e)
{
    struct join j = { .host = NULL };
    json_t *file = open_join(engine, &j);
    uint8_t id[ID_SIZE];
    int r = 0;

    if (file == NULL || en->login_blob_len != ED25519_BLOB_SIZE ||
        !hex_decode(j.primary_id, id, ID_SIZE) ||
        memcmp(id, en->primary_id, ID_SIZE) != 0 ||
        !is_key(en->bundle_key, j.bundle) ||
        !is_key(en->login_blob + ED25519_BLOB_SIZE - ED25519_PUBLIC_SIZE,
            j.login)) {
        r = err_set(e, ERR_PERMISSION,
            "the join file of this node names another primary, or other keys");
        err_hint(e,
            "Run this on the primary that made the file; after its keys "
            "were rotated make a new one.");
    }
    release(file, &j);
    return r;
}

void
join_close(struct engine *engine)
{
    struct store *store = engine->node.store;
    struct err e = ERR_INIT;
    uint8_t *text = NULL, hash[HASH_SIZE];
    struct join j = { .host = NULL };
    json_t *file = NULL;
    size_t len = 0;

    if (store_get(store, VALUE, &text, &len, &e) != 0 || text == NULL)
        return;
    if (json_read_object((const char *)text, len, &file, &e) == 0 &&
        read_join(file, &j, &e) == 0) {
        hash_secret(&j, hash);
        (void)store_put(store, USED_VALUE, hash, sizeof(hash), &e);
    }
    if (store_delete(store, VALUE, &e) != 0)
        log_error("%s", e.message);
    explicit_bzero(text, len);
    free(text);
    release(file, &j);
}

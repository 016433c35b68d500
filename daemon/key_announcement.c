/*
 * The announcement of a primary's keys: as bytes that are signed, as JSON that
 * travels.
 */
#include "daemon/key_announcement.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"

#define SIGNED_PREFIX "lockstep keys 1\n"

void
key_announcement_of(const struct node *node, const struct keys *keys,
    struct key_announcement *a)
{
    memset(a, 0, sizeof(*a));
    memcpy(a->cluster, node->cluster, ID_SIZE);
    a->epoch = node->epoch;
    memcpy(a->primary_id, node->id, ID_SIZE);
    for (size_t i = 0; i < KEY_KINDS; i++) {
        keys_public(keys, (enum key_kind)i, a->now[i]);
        a->next[i] = keys->next[i];
    }
}

void
key_announcement_hash(const struct key_announcement *a, uint8_t hash[HASH_SIZE])
{
    struct buf b = BUF_INIT;

    buf_put(&b, SIGNED_PREFIX, strlen(SIGNED_PREFIX));
    buf_put(&b, a->cluster, ID_SIZE);
    buf_put_u64(&b, a->epoch);
    buf_put(&b, a->primary_id, ID_SIZE);
    for (size_t i = 0; i < KEY_KINDS; i++) {
        buf_put(&b, a->now[i], ED25519_PUBLIC_SIZE);
        buf_put_u8(&b, a->next[i].made);
        if (a->next[i].made)
            buf_put(&b, a->next[i].public_key, ED25519_PUBLIC_SIZE);
    }
    hash_bytes(b.data, b.len, hash);
    buf_release(&b);
}

json_t *
key_member_json(const struct key_successor *key)
{
    return key->made ? json_hex(key->public_key, ED25519_PUBLIC_SIZE)
                     : json_null();
}

int
key_member_read(const json_t *object, const char *name, bool required,
    struct key_successor *key, struct err *e)
{
    const char *text = NULL;

    memset(key, 0, sizeof(*key));
    if (json_member_string(object, name, required, &text, e) != 0)
        return -1;
    if (text == NULL)
        return 0;
    if (!hex_decode(text, key->public_key, ED25519_PUBLIC_SIZE))
        return err_set(e, ERR_INVALID, "\"%s\" needs %d hex digits", name,
            2 * ED25519_PUBLIC_SIZE);
    key->made = true;
    return 0;
}

json_t *
key_announcement_json(const struct key_announcement *a,
    const struct bundle_signer *signer, struct err *e)
{
    uint8_t signature[ED25519_SIGNATURE_SIZE];
    uint8_t hash[HASH_SIZE];
    json_t *keys;

    key_announcement_hash(a, hash);
    if (signer->sign(signer->ctx, hash, signature, e) != 0)
        return NULL;
    keys = json_object();
    for (size_t i = 0; i < KEY_KINDS; i++)
        json_object_set_new(keys, key_kind_name((enum key_kind)i),
            json_pack("{s:o, s:o}", "key",
                json_hex(a->now[i], ED25519_PUBLIC_SIZE), "next",
                key_member_json(&a->next[i])));
    return json_pack("{s:o, s:I, s:o, s:o, s:o}", "cluster",
        json_hex(a->cluster, ID_SIZE), "epoch", (json_int_t)a->epoch,
        "primary_id", json_hex(a->primary_id, ID_SIZE), "keys", keys,
        "signature", json_hex(signature, sizeof(signature)));
}

static int
read_hex(const json_t *args, const char *name, void *out, size_t len,
    struct err *e)
{
    const char *text = NULL;

    if (json_member_string(args, name, true, &text, e) != 0)
        return -1;
    if (!hex_decode(text, out, len))
        return err_set(e, ERR_INVALID, "\"%s\" needs %zu hex digits", name,
            2 * len);
    return 0;
}

static int
read_keys(const json_t *args, struct key_announcement *a, struct err *e)
{
    const json_t *keys = json_member(args, "keys");

    for (size_t i = 0; i < KEY_KINDS; i++) {
        const json_t *key = json_member(keys, key_kind_name((enum key_kind)i));
        struct key_successor now;

        if (!json_is_object(key))
            return err_set(e, ERR_INVALID, "\"keys\" names no %s key",
                key_kind_name((enum key_kind)i));
        if (key_member_read(key, "key", true, &now, e) != 0 ||
            key_member_read(key, "next", false, &a->next[i], e) != 0)
            return -1;
        memcpy(a->now[i], now.public_key, ED25519_PUBLIC_SIZE);
    }
    return 0;
}

int
key_announcement_read(const json_t *args, struct key_announcement *a,
    struct err *e)
{
    uint8_t signature[ED25519_SIGNATURE_SIZE];
    uint8_t hash[HASH_SIZE];
    int64_t epoch = 0;

    memset(a, 0, sizeof(*a));
    if (read_hex(args, "cluster", a->cluster, ID_SIZE, e) != 0 ||
        read_hex(args, "primary_id", a->primary_id, ID_SIZE, e) != 0 ||
        read_hex(args, "signature", signature, sizeof(signature), e) != 0 ||
        json_member_int(args, "epoch", true, &epoch, e) != 0 ||
        read_keys(args, a, e) != 0)
        return -1;
    if (epoch < 0)
        return err_set(e, ERR_INVALID, "\"epoch\" is negative");
    a->epoch = (uint64_t)epoch;
    key_announcement_hash(a, hash);
    if (!ed25519_verify(a->now[KEY_BUNDLE], hash, HASH_SIZE, signature))
        return err_set(e, ERR_SIGNATURE,
            "the announcement of keys is not signed by its bundle key");
    return 0;
}

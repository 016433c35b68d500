/*
 * The announcement of a primary's keys.  Of the first byte the lowest bit
 * chooses: arguments of "node keys" from any bytes; or an honest announcement,
 * whose keys are the next bytes, with the rest of the bytes written over it at
 * some place.  Nothing is taken that the key it names did not sign: what is
 * taken says what was signed, and is written again as the same.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "daemon/key_announcement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t seed[ED25519_SEED_SIZE] = { 4, 5, 8 };

static int
sign_with_seed(void *ctx, const uint8_t hash[HASH_SIZE],
    uint8_t signature[ED25519_SIGNATURE_SIZE], struct err *e)
{
    (void)ctx;
    return ed25519_sign(seed, hash, HASH_SIZE, signature, e);
}

static const struct bundle_signer signer = { sign_with_seed, NULL };

/* Whether TEXT is an announcement; its hash. */
static bool
read_text(const char *text, size_t len, struct key_announcement *a,
    uint8_t hash[HASH_SIZE])
{
    struct err e = ERR_INIT;
    json_t *args = NULL;
    bool taken;

    if (json_read_object(text, len, &args, &e) != 0)
        return false;
    taken = key_announcement_read(args, a, &e) == 0;
    json_decref(args);
    if (taken)
        key_announcement_hash(a, hash);
    else
        assert(e.code == ERR_INVALID || e.code == ERR_SIGNATURE);
    return taken;
}

static size_t
take_bytes(void *out, size_t len, const uint8_t **data, size_t *size)
{
    size_t n = len < *size ? len : *size;

    memcpy(out, *data, n);
    *data += n;
    *size -= n;
    return n;
}

static void
make(struct key_announcement *a, const uint8_t **data, size_t *size)
{
    struct err e = ERR_INIT;
    uint8_t made = 0;

    memset(a, 0, sizeof(*a));
    take_bytes(&made, 1, data, size);
    take_bytes(a->cluster, 4, data, size);
    take_bytes(a->primary_id, 4, data, size);
    a->epoch = made;
    for (size_t i = 0; i < KEY_KINDS; i++) {
        take_bytes(a->now[i], 4, data, size);
        a->next[i].made = made >> i & 1;
        if (a->next[i].made)
            take_bytes(a->next[i].public_key, 4, data, size);
    }
    assert(ed25519_public(seed, a->now[KEY_BUNDLE], &e) == 0);
}

static void
check_changed(const uint8_t *data, size_t size)
{
    struct key_announcement honest, a;
    uint8_t hash[HASH_SIZE], other[HASH_SIZE];
    struct err e = ERR_INIT;
    json_t *args;
    uint8_t place[2] = { 0 };
    char *text;
    size_t len, at;

    make(&honest, &data, &size);
    key_announcement_hash(&honest, hash);
    args = key_announcement_json(&honest, &signer, &e);
    assert(args != NULL);
    text = json_write(args);
    len = strlen(text);
    json_decref(args);
    assert(read_text(text, len, &a, other));
    assert(memcmp(hash, other, HASH_SIZE) == 0);
    take_bytes(place, sizeof(place), &data, &size);
    at = (size_t)(place[0] << 8 | place[1]) % len;
    take_bytes(text + at, len - at, &data, &size);
    if (read_text(text, len, &a, other))
        assert(memcmp(hash, other, HASH_SIZE) == 0);
    free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct key_announcement a;
    uint8_t hash[HASH_SIZE];

    if (size == 0)
        return 0;
    if (data[0] & 1)
        check_changed(data + 1, size - 1);
    else
        read_text((const char *)data + 1, size - 1, &a, hash);
    return 0;
}

/*
 * The node's keys: made when missing, each file written whole and durable, so
 * that a first start that dies anywhere is finished by the next one.
 */
#include "daemon/keys.h"

#include <stdlib.h>
#include <string.h>

#include "admin-proto/ssh_client.h"
#include "base/alloc.h"
#include "base/file.h"
#include "daemon/key_file.h"
#include "daemon/keys_openssh.h"

#define KEY_PREFIX "ssh-ed25519 "

struct retired_key {
    struct retired_key *next;
    struct ed25519_key *private_key;
    uint8_t *blob; /* NULL: the bundle key has none */
};

static const struct {
    const char *name;
    const char *file;
    enum key_form form;
} kinds[KEY_KINDS] = {
    [KEY_HOST] = { "host", "keys/host_key", KEY_FORM_OPENSSH },
    [KEY_LOGIN] = { "login", "keys/login_key", KEY_FORM_OPENSSH },
    [KEY_BUNDLE] = { "bundle", "keys/bundle_key", KEY_FORM_HEX },
};

const char *
key_kind_name(enum key_kind kind)
{
    return kinds[kind].name;
}

bool
key_kind_parse(const char *name, enum key_kind *kind)
{
    for (size_t i = 0; i < KEY_KINDS; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            *kind = (enum key_kind)i;
            return true;
        }
    }
    return false;
}

static uint8_t *
blob_of(const uint8_t public_key[ED25519_PUBLIC_SIZE], size_t *len)
{
    struct buf b = BUF_INIT;

    openssh_public_blob(public_key, &b);
    return buf_steal(&b, len);
}

void
key_fingerprint(const uint8_t public_key[ED25519_PUBLIC_SIZE], char text[64])
{
    size_t len;
    uint8_t *blob = blob_of(public_key, &len);

    admin_fingerprint(blob, len, text);
    free(blob);
}

int
keys_generate(char **private_text, uint8_t **blob, size_t *blob_len,
    struct err *e)
{
    uint8_t public_key[ED25519_PUBLIC_SIZE];
    uint8_t seed[ED25519_SEED_SIZE];
    int r = -1;

    *private_text = NULL;
    *blob = NULL;
    random_bytes(seed, sizeof(seed));
    if (ed25519_public(seed, public_key, e) != 0)
        goto out;
    *private_text = openssh_private_text(seed, public_key, "lockstep");
    *blob = blob_of(public_key, blob_len);
    r = 0;
out:
    explicit_bzero(seed, sizeof(seed));
    return r;
}

static char *
path_of(const char *state_dir, enum key_kind kind, const char *ending)
{
    return alloc_format("%s/%s%s", state_dir, kinds[kind].file, ending);
}

static void
retire(struct keys *k, struct ed25519_key *private_key, uint8_t *blob)
{
    struct retired_key *r;

    if (private_key == NULL)
        return;
    r = alloc_zeroed(1, sizeof(*r));
    r->private_key = private_key;
    r->blob = blob;
    r->next = k->retired;
    k->retired = r;
}

/* Puts a key, which is handed over, in the place of the one before. */
static void
install(struct keys *k, enum key_kind kind, struct ed25519_key *private_key,
    const uint8_t public_key[ED25519_PUBLIC_SIZE])
{
    if (kind == KEY_HOST) {
        retire(k, k->host_private, k->host_blob);
        k->host_private = private_key;
        k->host_blob = blob_of(public_key, &k->host_blob_len);
        key_fingerprint(public_key, k->fingerprint);
    } else if (kind == KEY_LOGIN) {
        retire(k, k->login_private, k->login_blob);
        k->login_private = private_key;
        k->login_blob = blob_of(public_key, &k->login_blob_len);
    } else {
        retire(k, k->bundle_private, NULL);
        k->bundle_private = private_key;
        memcpy(k->bundle_public, public_key, ED25519_PUBLIC_SIZE);
    }
}

/* Makes the seed ready to sign; wipes it. */
static struct ed25519_key *
ready(uint8_t seed[ED25519_SEED_SIZE], uint8_t public_key[ED25519_PUBLIC_SIZE],
    struct err *e)
{
    struct ed25519_key *key = NULL;

    if (ed25519_public(seed, public_key, e) == 0)
        key = ed25519_key_new(seed, e);
    explicit_bzero(seed, ED25519_SEED_SIZE);
    return key;
}

static int
load_key(struct keys *k, const char *state_dir, enum key_kind kind, bool make,
    struct err *e)
{
    enum key_form form = kinds[kind].form;
    char *path = path_of(state_dir, kind, "");
    uint8_t public_key[ED25519_PUBLIC_SIZE];
    uint8_t seed[ED25519_SEED_SIZE];
    struct ed25519_key *key = NULL;

    if ((make && !file_exists(path) ? key_file_make(path, form, seed, e)
                                    : key_file_read(path, form, seed, e)) == 0)
        key = ready(seed, public_key, e);
    free(path);
    if (key == NULL)
        return -1;
    install(k, kind, key, public_key);
    return 0;
}

void
keys_public(const struct keys *k, enum key_kind kind,
    uint8_t public_key[ED25519_PUBLIC_SIZE])
{
    const uint8_t *from = k->bundle_public;

    if (kind != KEY_BUNDLE)
        from = (kind == KEY_HOST ? k->host_blob : k->login_blob) +
               ED25519_BLOB_SIZE - ED25519_PUBLIC_SIZE;
    memcpy(public_key, from, ED25519_PUBLIC_SIZE);
}

static int
load_next(struct keys *k, const char *state_dir, enum key_kind kind,
    struct err *e)
{
    char *path = path_of(state_dir, kind, ".next");
    struct key_successor *next = &k->next[kind];
    uint8_t now[ED25519_PUBLIC_SIZE];
    uint8_t seed[ED25519_SEED_SIZE];
    int r = 0;

    if (file_exists(path)) {
        r = key_file_read(path, kinds[kind].form, seed, e);
        if (r == 0)
            r = ed25519_public(seed, next->public_key, e);
        keys_public(k, kind, now);
        /* A backup taken at that moment may hold one key twice. */
        next->made = r == 0 && memcmp(now, next->public_key, sizeof(now)) != 0;
        explicit_bzero(seed, sizeof(seed));
    }
    free(path);
    return r;
}

int
keys_load(struct keys *k, const char *state_dir, bool make, struct err *e)
{
    char *dir = file_join(state_dir, "keys");
    int r = 0;

    memset(k, 0, sizeof(*k));
    if (make)
        r = file_make_folder(dir, 0700, e);
    for (size_t i = 0; r == 0 && i < KEY_KINDS; i++) {
        r = load_key(k, state_dir, (enum key_kind)i, make, e);
        if (r == 0)
            r = load_next(k, state_dir, (enum key_kind)i, e);
    }
    if (r != 0)
        keys_release(k);
    free(dir);
    return r;
}

void
keys_release(struct keys *k)
{
    while (k->retired != NULL) {
        struct retired_key *r = k->retired;

        k->retired = r->next;
        ed25519_key_free(r->private_key);
        free(r->blob);
        free(r);
    }
    ed25519_key_free(k->host_private);
    ed25519_key_free(k->login_private);
    free(k->host_blob);
    free(k->login_blob);
    ed25519_key_free(k->bundle_private);
    explicit_bzero(k, sizeof(*k));
}

int
keys_make_next(struct keys *k, const char *state_dir, enum key_kind kind,
    struct err *e)
{
    struct key_successor *next = &k->next[kind];
    uint8_t seed[ED25519_SEED_SIZE];
    char *path;
    int r;

    if (next->made)
        return 0;
    path = path_of(state_dir, kind, ".next");
    r = key_file_make(path, kinds[kind].form, seed, e);
    if (r == 0)
        r = ed25519_public(seed, next->public_key, e);
    next->made = r == 0;
    explicit_bzero(seed, sizeof(seed));
    free(path);
    return r;
}

int
keys_use_next(struct keys *k, const char *state_dir, enum key_kind kind,
    struct err *e)
{
    char *next = path_of(state_dir, kind, ".next");
    char *path = path_of(state_dir, kind, "");
    uint8_t public_key[ED25519_PUBLIC_SIZE];
    uint8_t seed[ED25519_SEED_SIZE];
    struct ed25519_key *key = NULL;
    int r = -1;

    if (key_file_read(next, kinds[kind].form, seed, e) == 0)
        key = ready(seed, public_key, e);
    if (key == NULL)
        goto out;
    if (file_rename(next, path, e) != 0 && file_exists(next))
        goto out;
    install(k, kind, key, public_key);
    key = NULL;
    memset(&k->next[kind], 0, sizeof(k->next[kind]));
    r = 0;
out:
    ed25519_key_free(key);
    free(next);
    free(path);
    return r;
}

static int
sign(void *ctx, const uint8_t hash[HASH_SIZE],
    uint8_t signature[ED25519_SIGNATURE_SIZE], struct err *e)
{
    return ed25519_key_sign(ctx, hash, HASH_SIZE, signature, e);
}

struct bundle_signer
keys_signer(const struct keys *k)
{
    return (struct bundle_signer){ .sign = sign, .ctx = k->bundle_private };
}

bool
keys_signs(const struct keys *k, const struct bundle_signer *signer)
{
    return signer->ctx == k->bundle_private;
}

int
keys_parse_line(const char *line, uint8_t **blob, size_t *blob_len,
    char **comment, struct err *e)
{
    struct buf expected = BUF_INIT;
    const uint8_t *key;
    const char *start;
    char *encoded = NULL;
    size_t n;
    int r = -1;

    *blob = NULL;
    *comment = NULL;
    line += strspn(line, " \t");
    if (strncmp(line, KEY_PREFIX, strlen(KEY_PREFIX)) != 0)
        goto bad;
    start = line + strlen(KEY_PREFIX);
    start += strspn(start, " \t");
    n = strcspn(start, " \t\r\n");
    if (n > 2 * ED25519_BLOB_SIZE)
        goto bad;
    encoded = alloc_copy(start, n);
    *blob = base64_decode(encoded, blob_len);
    if (*blob == NULL || *blob_len != ED25519_BLOB_SIZE)
        goto bad;
    key = *blob + ED25519_BLOB_SIZE - ED25519_PUBLIC_SIZE;
    openssh_public_blob(key, &expected);
    if (memcmp(expected.data, *blob, ED25519_BLOB_SIZE) != 0)
        goto bad;
    start += n;
    start += strspn(start, " \t\r\n");
    n = strlen(start);
    while (n > 0 && strchr(" \t\r\n", start[n - 1]) != NULL)
        n--;
    *comment = alloc_copy(start, n);
    r = 0;
    goto out;
bad:
    err_set(e, ERR_INVALID, "not an Ed25519 public key of OpenSSH");
    err_hint(e, "Give the line of an id_ed25519.pub file: "
                "\"ssh-ed25519 AAAA... name\".");
    free(*blob);
    *blob = NULL;
out:
    free(encoded);
    buf_release(&expected);
    return r;
}

char *
keys_format_line(const void *blob, size_t len, const char *comment)
{
    char *encoded = base64_encode(blob, len, true);
    char *line;

    line = alloc_format(KEY_PREFIX "%s%s%s", encoded,
        comment != NULL && comment[0] != '\0' ? " " : "",
        comment != NULL ? comment : "");
    free(encoded);
    return line;
}

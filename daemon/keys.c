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
#include "daemon/keys_openssh.h"

#define KEY_FILE_MAX 16384
#define KEY_PREFIX "ssh-ed25519 "

static void
wipe_text(char *text)
{
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
}

static void
wipe_buf(struct buf *b)
{
    if (b->data != NULL)
        explicit_bzero(b->data, b->cap);
    buf_release(b);
}

static uint8_t *
blob_of(const uint8_t public_key[ED25519_PUBLIC_SIZE], size_t *len)
{
    struct buf b = BUF_INIT;

    openssh_public_blob(public_key, &b);
    return buf_steal(&b, len);
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

/* The text of PATH, or an error that names it. */
static int
read_text(const char *path, char **text, struct err *e)
{
    struct buf b = BUF_INIT;

    *text = NULL;
    if (file_read(path, KEY_FILE_MAX, &b, e) != 0) {
        buf_release(&b);
        return -1;
    }
    buf_put_u8(&b, '\0');
    *text = alloc_string((const char *)b.data);
    wipe_buf(&b);
    return 0;
}

static int
make_ssh_key(const char *path, char **text, struct err *e)
{
    uint8_t *blob = NULL;
    size_t blob_len;
    int r = keys_generate(text, &blob, &blob_len, e);

    free(blob);
    return r == 0 ? file_write_atomic(path, *text, strlen(*text), 0600, e) : -1;
}

static int
load_ssh_key(const char *path, bool make, struct ed25519_key **key,
    uint8_t **blob, size_t *blob_len, struct err *e)
{
    uint8_t public_key[ED25519_PUBLIC_SIZE];
    uint8_t seed[ED25519_SEED_SIZE];
    char *text = NULL;
    int r = make && !file_exists(path) ? make_ssh_key(path, &text, e)
                                       : read_text(path, &text, e);

    if (r != 0)
        goto out;
    r = openssh_private_parse(text, seed, e);
    if (r != 0) {
        err_wrap(e, "\"%s\"", path);
        goto out;
    }
    r = ed25519_public(seed, public_key, e);
    if (r == 0 && (*key = ed25519_key_new(seed, e)) == NULL)
        r = -1;
    if (r == 0)
        *blob = blob_of(public_key, blob_len);
out:
    explicit_bzero(seed, sizeof(seed));
    wipe_text(text);
    return r;
}

static int
make_bundle_key(uint8_t seed[ED25519_SEED_SIZE], const char *path,
    struct err *e)
{
    char text[2 * ED25519_SEED_SIZE + 2];
    int r;

    random_bytes(seed, ED25519_SEED_SIZE);
    hex_encode(seed, ED25519_SEED_SIZE, text);
    text[2 * ED25519_SEED_SIZE] = '\n';
    r = file_write_atomic(path, text, 2 * ED25519_SEED_SIZE + 1, 0600, e);
    explicit_bzero(text, sizeof(text));
    return r;
}

static int
read_bundle_key(uint8_t seed[ED25519_SEED_SIZE], const char *path,
    struct err *e)
{
    char *text = NULL;
    int r = 0;

    if (read_text(path, &text, e) != 0)
        return -1;
    text[strcspn(text, "\r\n")] = '\0';
    if (!hex_decode(text, seed, ED25519_SEED_SIZE))
        r = err_set(e, ERR_INVALID, "\"%s\" is not a key of %d hex digits",
            path, 2 * ED25519_SEED_SIZE);
    wipe_text(text);
    return r;
}

static int
load_bundle_key(struct keys *k, const char *path, bool make, struct err *e)
{
    uint8_t seed[ED25519_SEED_SIZE];
    int r = make && !file_exists(path) ? make_bundle_key(seed, path, e)
                                       : read_bundle_key(seed, path, e);

    if (r == 0)
        r = ed25519_public(seed, k->bundle_public, e);
    if (r == 0 && (k->bundle_private = ed25519_key_new(seed, e)) == NULL)
        r = -1;
    explicit_bzero(seed, sizeof(seed));
    return r;
}

int
keys_load(struct keys *k, const char *state_dir, bool make, struct err *e)
{
    char *dir = file_join(state_dir, "keys");
    char *host = file_join(dir, "host_key");
    char *login = file_join(dir, "login_key");
    char *bundle = file_join(dir, "bundle_key");
    int r = -1;

    memset(k, 0, sizeof(*k));
    if (make && file_make_folder(dir, 0700, e) != 0)
        goto out;
    if (load_ssh_key(host, make, &k->host_private, &k->host_blob,
            &k->host_blob_len, e) != 0)
        goto out;
    if (load_ssh_key(login, make, &k->login_private, &k->login_blob,
            &k->login_blob_len, e) != 0)
        goto out;
    if (load_bundle_key(k, bundle, make, e) != 0)
        goto out;
    admin_fingerprint(k->host_blob, k->host_blob_len, k->fingerprint);
    r = 0;
out:
    if (r != 0)
        keys_release(k);
    free(bundle);
    free(login);
    free(host);
    free(dir);
    return r;
}

void
keys_release(struct keys *k)
{
    ed25519_key_free(k->host_private);
    ed25519_key_free(k->login_private);
    free(k->host_blob);
    free(k->login_blob);
    ed25519_key_free(k->bundle_private);
    explicit_bzero(k, sizeof(*k));
}

static int
sign(void *ctx, const uint8_t hash[HASH_SIZE],
    uint8_t signature[ED25519_SIGNATURE_SIZE], struct err *e)
{
    const struct keys *k = ctx;

    return ed25519_key_sign(k->bundle_private, hash, HASH_SIZE, signature, e);
}

struct bundle_signer
keys_signer(struct keys *k)
{
    return (struct bundle_signer){ .sign = sign, .ctx = k };
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

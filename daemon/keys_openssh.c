/*
 * Reading and writing OpenSSH private key files without a library that would
 * also read what comes from the network.
 */
#include "daemon/keys_openssh.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define MAGIC "openssh-key-v1"
#define BEGIN_LINE "-----BEGIN OPENSSH PRIVATE KEY-----\n"
#define END_LINE "-----END OPENSSH PRIVATE KEY-----\n"
#define KEY_TYPE "ssh-ed25519"
#define FIELD_MAX 4096
#define LINE_LENGTH 70

void
openssh_public_blob(const uint8_t public_key[ED25519_PUBLIC_SIZE],
    struct buf *out)
{
    buf_put_string(out, KEY_TYPE);
    buf_put_bytes(out, public_key, ED25519_PUBLIC_SIZE);
}

static void
wipe(struct buf *b)
{
    if (b->data != NULL)
        explicit_bzero(b->data, b->cap);
    buf_release(b);
}

static void
put_private_part(struct buf *b, const uint8_t *seed, const uint8_t *public_key,
    const char *comment)
{
    uint8_t pair[ED25519_SEED_SIZE + ED25519_PUBLIC_SIZE];
    uint32_t check;
    uint8_t pad;

    memcpy(pair, seed, ED25519_SEED_SIZE);
    memcpy(pair + ED25519_SEED_SIZE, public_key, ED25519_PUBLIC_SIZE);
    random_bytes(&check, sizeof(check));
    buf_put_u32(b, check);
    buf_put_u32(b, check);
    buf_put_string(b, KEY_TYPE);
    buf_put_bytes(b, public_key, ED25519_PUBLIC_SIZE);
    buf_put_bytes(b, pair, sizeof(pair));
    buf_put_string(b, comment);
    for (pad = 1; b->len % 8 != 0; pad++)
        buf_put_u8(b, pad);
    explicit_bzero(pair, sizeof(pair));
}

char *
openssh_private_text(const uint8_t seed[ED25519_SEED_SIZE],
    const uint8_t public_key[ED25519_PUBLIC_SIZE], const char *comment)
{
    struct buf body = BUF_INIT;
    struct buf part = BUF_INIT;
    struct buf text = BUF_INIT;
    char *encoded;
    size_t len;
    size_t i;

    /* Room at once: growing would leave copies of the seed behind. */
    buf_reserve(&part, 1024);
    buf_reserve(&body, 2048);
    buf_reserve(&text, 4096);
    put_private_part(&part, seed, public_key, comment);
    buf_put(&body, MAGIC, sizeof(MAGIC));
    buf_put_string(&body, "none"); /* cipher */
    buf_put_string(&body, "none"); /* key derivation */
    buf_put_string(&body, "");
    buf_put_u32(&body, 1);
    buf_put_u32(&body, ED25519_BLOB_SIZE);
    openssh_public_blob(public_key, &body);
    buf_put_bytes(&body, part.data, part.len);

    encoded = base64_encode(body.data, body.len, true);
    len = strlen(encoded);
    buf_put(&text, BEGIN_LINE, strlen(BEGIN_LINE));
    for (i = 0; i < len; i += LINE_LENGTH) {
        size_t n = len - i < LINE_LENGTH ? len - i : LINE_LENGTH;

        buf_put(&text, encoded + i, n);
        buf_put_u8(&text, '\n');
    }
    buf_put(&text, END_LINE, strlen(END_LINE));
    explicit_bzero(encoded, len);
    free(encoded);
    wipe(&part);
    wipe(&body);
    return (char *)buf_steal(&text, NULL);
}

/* The bytes between the two lines, or NULL. */
static uint8_t *
decode_armor(const char *text, size_t *len)
{
    const char *begin = strstr(text, BEGIN_LINE);
    const char *end = begin != NULL ? strstr(begin, END_LINE) : NULL;
    uint8_t *bytes;
    char *joined;
    size_t n = 0;

    if (end == NULL)
        return NULL;
    begin += strlen(BEGIN_LINE);
    joined = alloc_bytes((size_t)(end - begin) + 1);
    for (; begin < end; begin++) {
        if (strchr("\r\n", *begin) == NULL)
            joined[n++] = *begin;
    }
    joined[n] = '\0';
    bytes = base64_decode(joined, len);
    explicit_bzero(joined, n);
    free(joined);
    return bytes;
}

/* A counted field that must be these bytes. */
static bool
expect(struct reader *r, const void *data, size_t len)
{
    size_t got;
    const uint8_t *p = reader_bytes(r, FIELD_MAX, &got);

    return p != NULL && got == len && memcmp(p, data, len) == 0;
}

static bool
read_private_part(struct reader *r, uint8_t *seed)
{
    uint8_t public_key[ED25519_PUBLIC_SIZE];
    struct err e = ERR_INIT;
    const uint8_t *pair;
    size_t len;
    bool ok;

    if (reader_u32(r) != reader_u32(r))
        return false;
    if (!expect(r, KEY_TYPE, strlen(KEY_TYPE)))
        return false;
    reader_bytes(r, FIELD_MAX, &len);
    pair = reader_bytes(r, FIELD_MAX, &len);
    if (pair == NULL || len != ED25519_SEED_SIZE + ED25519_PUBLIC_SIZE)
        return false;
    memcpy(seed, pair, ED25519_SEED_SIZE);
    ok = ed25519_public(seed, public_key, &e) == 0 &&
         memcmp(public_key, pair + ED25519_SEED_SIZE, sizeof(public_key)) == 0;
    if (!ok)
        explicit_bzero(seed, ED25519_SEED_SIZE);
    return ok;
}

static bool
read_body(const uint8_t *bytes, size_t len, uint8_t *seed)
{
    struct reader r = reader_over(bytes, len);
    const uint8_t *magic = reader_take(&r, sizeof(MAGIC));
    const uint8_t *part;
    size_t part_len;
    size_t ignored;

    if (magic == NULL || memcmp(magic, MAGIC, sizeof(MAGIC)) != 0)
        return false;
    if (!expect(&r, "none", 4) || !expect(&r, "none", 4) || !expect(&r, "", 0))
        return false;
    if (reader_u32(&r) != 1 || reader_bytes(&r, FIELD_MAX, &ignored) == NULL)
        return false;
    part = reader_bytes(&r, FIELD_MAX, &part_len);
    if (part == NULL || !reader_done(&r))
        return false;
    r = reader_over(part, part_len);
    return read_private_part(&r, seed);
}

int
openssh_private_parse(const char *text, uint8_t seed[ED25519_SEED_SIZE],
    struct err *e)
{
    uint8_t *bytes;
    size_t len = 0;
    bool ok;

    bytes = decode_armor(text, &len);
    ok = bytes != NULL && read_body(bytes, len, seed);
    if (bytes != NULL)
        explicit_bzero(bytes, len);
    free(bytes);
    if (ok)
        return 0;
    return err_set(e, ERR_INVALID,
        "the file is not an unencrypted Ed25519 key of OpenSSH");
}

/*
 * OpenSSH public keys: RFC 4253 section 6.6 (RSA), RFC 5656 section 3.1
 * (ECDSA), RFC 8709 section 4 (Ed25519).
 */
#include "daemon/public_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin-proto/ssh_client.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"

#define LINE_MAX_BYTES 16384
#define RSA_MIN_BITS 2048
#define RSA_MAX_BITS 16384

static bool
check_ed25519(struct reader *r, size_t unused)
{
    size_t len = 0;

    (void)unused;
    return reader_bytes(r, ED25519_PUBLIC_SIZE, &len) != NULL &&
           len == ED25519_PUBLIC_SIZE;
}

/* An uncompressed point: 4, x, y; the curve's name was in the type already. */
static bool
check_ecdsa(struct reader *r, size_t coordinate)
{
    const uint8_t *curve, *point;
    size_t curve_len = 0, len = 0;

    curve = reader_bytes(r, 16, &curve_len);
    point = reader_bytes(r, 2 * coordinate + 1, &len);
    return curve != NULL && curve_len == strlen("nistp256") &&
           memcmp(curve, "nistp", 5) == 0 && point != NULL &&
           len == 2 * coordinate + 1 && point[0] == 4;
}

/* The bits of a positive mpint in its shortest form; 0 for any other. */
static size_t
mpint_bits(const uint8_t *p, size_t len)
{
    size_t bits;

    if (len > 0 && p[0] == 0) {
        p++;
        len--;
        if (len > 0 && (p[0] & 0x80) == 0)
            return 0;
    } else if (len > 0 && (p[0] & 0x80) != 0) {
        return 0;
    }
    if (len == 0)
        return 0;
    bits = 8 * (len - 1);
    for (unsigned top = p[0]; top != 0; top >>= 1)
        bits++;
    return bits;
}

static bool
check_rsa(struct reader *r, size_t unused)
{
    const uint8_t *exponent, *modulus;
    size_t exponent_len = 0, len = 0, bits;

    (void)unused;
    exponent = reader_bytes(r, 9, &exponent_len);
    modulus = reader_bytes(r, RSA_MAX_BITS / 8 + 1, &len);
    if (exponent == NULL || modulus == NULL ||
        mpint_bits(exponent, exponent_len) < 2)
        return false;
    bits = mpint_bits(modulus, len);
    return bits >= RSA_MIN_BITS && bits <= RSA_MAX_BITS;
}

static const struct key_type {
    const char *name;
    bool (*check)(struct reader *r, size_t size);
    size_t size;
} key_types[] = {
    { "ssh-ed25519", check_ed25519, 0 },
    { "ecdsa-sha2-nistp256", check_ecdsa, 32 },
    { "ecdsa-sha2-nistp384", check_ecdsa, 48 },
    { "ecdsa-sha2-nistp521", check_ecdsa, 66 },
    { "ssh-rsa", check_rsa, 0 },
};

static const struct key_type *
find_type(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof(key_types) / sizeof(key_types[0]); i++)
        if (strlen(key_types[i].name) == len &&
            memcmp(key_types[i].name, name, len) == 0)
            return &key_types[i];
    return NULL;
}

static bool
blob_is_of_type(const uint8_t *blob, size_t len, const struct key_type *type)
{
    struct reader r = reader_over(blob, len);
    const uint8_t *name;
    size_t name_len = 0, size = strlen(type->name);

    name = reader_bytes(&r, 64, &name_len);
    return name != NULL && name_len == size &&
           memcmp(name, type->name, size) == 0 && type->check(&r, type->size) &&
           reader_done(&r);
}

static int
refuse(struct err *e, const char *why)
{
    err_set(e, ERR_INVALID, "the key is not accepted: %s", why);
    err_hint(e,
        "Give the line of an OpenSSH .pub file: ssh-ed25519, "
        "ecdsa-sha2-nistp256/384/521, or ssh-rsa of 2048 bits or more.");
    return -1;
}

int
public_key_parse(struct public_key *key, const char *line, struct err *e)
{
    const struct key_type *type;
    char *base64 = NULL;
    uint8_t *blob = NULL;
    size_t len, blob_len = 0;
    int r = -1;

    *key = (struct public_key){ .base64 = NULL };
    if (strlen(line) > LINE_MAX_BYTES)
        return refuse(e, "the line is too long");
    line += strspn(line, " \t");
    len = strcspn(line, " \t");
    type = find_type(line, len);
    if (type == NULL)
        return refuse(e, "its type is unknown");
    line += len + strspn(line + len, " \t");
    len = strcspn(line, " \t\r\n");
    base64 = alloc_copy(line, len);
    blob = base64_decode(base64, &blob_len);
    if (blob == NULL || !blob_is_of_type(blob, blob_len, type)) {
        refuse(e, "it is damaged, too short or not of the type it says");
        goto out;
    }
    line += len + strspn(line + len, " \t");
    len = strcspn(line, "\r\n");
    if (line[len + strspn(line + len, "\r\n")] != '\0') {
        refuse(e, "there is more than one line");
        goto out;
    }
    snprintf(key->type, sizeof(key->type), "%s", type->name);
    key->base64 = base64_encode(blob, blob_len, true);
    key->comment = len > 0 ? alloc_copy(line, len) : NULL;
    admin_fingerprint(blob, blob_len, key->fingerprint);
    r = 0;
out:
    free(base64);
    free(blob);
    return r;
}

void
public_key_release(struct public_key *key)
{
    free(key->base64);
    free(key->comment);
    *key = (struct public_key){ .base64 = NULL };
}

void
public_key_fingerprint(const char *base64, char out[64])
{
    size_t len = 0;
    uint8_t *blob = base64_decode(base64, &len);

    out[0] = '\0';
    if (blob != NULL)
        admin_fingerprint(blob, len, out);
    free(blob);
}

/*
 * Passwords of administrators: scrypt (RFC 7914), and random ones.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "daemon/accounts.h"

#define SCRYPT_LOG_N 15
#define SCRYPT_R 8
#define SCRYPT_P 1
#define SCRYPT_MEMORY ((uint64_t)64 << 20) /* 128 * N * r is 32 MiB */
#define SALT_SIZE 16
#define PREFIX "scrypt$15$8$1$"

static bool
derive(const char *password, const uint8_t salt[SALT_SIZE],
    uint8_t out[HASH_SIZE])
{
    return EVP_PBE_scrypt(password, strlen(password), salt, SALT_SIZE,
               (uint64_t)1 << SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P, SCRYPT_MEMORY,
               out, HASH_SIZE) == 1;
}

char *
password_hash(const char *password, struct err *e)
{
    uint8_t hash[HASH_SIZE];
    uint8_t salt[SALT_SIZE];
    char *salt_text;
    char *hash_text;
    char *stored;

    random_bytes(salt, sizeof(salt));
    if (!derive(password, salt, hash)) {
        err_set(e, ERR_INTERNAL, "could not hash the password");
        return NULL;
    }
    salt_text = base64_encode(salt, sizeof(salt), false);
    hash_text = base64_encode(hash, sizeof(hash), false);
    stored = alloc_format(PREFIX "%s$%s", salt_text, hash_text);
    explicit_bzero(hash, sizeof(hash));
    free(salt_text);
    free(hash_text);
    return stored;
}

/* Splits a stored hash; false when it is none of ours. */
static bool
parse(const char *stored, uint8_t salt[SALT_SIZE], uint8_t hash[HASH_SIZE])
{
    const char *dollar;
    uint8_t *salt_bytes;
    uint8_t *hash_bytes;
    size_t salt_len = 0;
    size_t hash_len = 0;
    char *salt_text;
    bool ok;

    if (stored == NULL || strncmp(stored, PREFIX, strlen(PREFIX)) != 0)
        return false;
    stored += strlen(PREFIX);
    dollar = strchr(stored, '$');
    if (dollar == NULL)
        return false;
    salt_text = alloc_copy(stored, (size_t)(dollar - stored));
    salt_bytes = base64_decode(salt_text, &salt_len);
    hash_bytes = base64_decode(dollar + 1, &hash_len);
    ok = salt_bytes != NULL && hash_bytes != NULL && salt_len == SALT_SIZE &&
         hash_len == HASH_SIZE;
    if (ok) {
        memcpy(salt, salt_bytes, SALT_SIZE);
        memcpy(hash, hash_bytes, HASH_SIZE);
    }
    free(salt_text);
    free(salt_bytes);
    free(hash_bytes);
    return ok;
}

bool
password_verify(const char *stored, const char *password)
{
    uint8_t expected[HASH_SIZE] = { 0 };
    uint8_t salt[SALT_SIZE] = { 0 };
    uint8_t hash[HASH_SIZE];
    bool known;
    bool ok;

    /* The same work for a user who does not exist: time tells nothing. */
    known = parse(stored, salt, expected);
    ok = derive(password, salt, hash);
    ok = bytes_equal_secret(hash, expected, HASH_SIZE) && ok && known;
    explicit_bzero(hash, sizeof(hash));
    return ok;
}

void
password_generate(char out[25])
{
    /* 32 characters, so that a random byte's five bits choose one evenly. */
    static const char alphabet[] = "abcdefghjkmnpqrstuvwxyz23456789A";
    uint8_t bytes[24];
    size_t i;

    random_bytes(bytes, sizeof(bytes));
    for (i = 0; i < sizeof(bytes); i++)
        out[i] = alphabet[bytes[i] % 32];
    out[sizeof(bytes)] = '\0';
    explicit_bzero(bytes, sizeof(bytes));
}

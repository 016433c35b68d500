/*
 * SHA-256, Ed25519, random bytes and constant-time comparison by OpenSSL.
 *
 * SHA-256 uses the low-level calls: the digest hashes millions of rows of some
 * 100 bytes, and one hash takes 115 ns so against 160 ns by EVP.  OpenSSL 3
 * calls them deprecated, which is all that the next line silences.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/hash.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"

struct hasher {
    SHA256_CTX ctx;
};

struct hasher *
hasher_new(void)
{
    struct hasher *h = alloc_zeroed(1, sizeof(*h));

    SHA256_Init(&h->ctx);
    return h;
}

void
hasher_free(struct hasher *h)
{
    if (h != NULL)
        OPENSSL_cleanse(h, sizeof(*h));
    free(h);
}

void
hasher_update(struct hasher *h, const void *data, size_t len)
{
    SHA256_Update(&h->ctx, data, len);
}

void
hasher_finish(struct hasher *h, uint8_t out[HASH_SIZE])
{
    SHA256_Final(out, &h->ctx);
    SHA256_Init(&h->ctx);
}

void
hash_bytes(const void *data, size_t len, uint8_t out[HASH_SIZE])
{
    SHA256(len > 0 ? data : (const void *)"", len, out);
}

void
random_bytes(void *out, size_t len)
{
    uint8_t *p = out;

    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);

        if (n < 0 && errno != EINTR)
            abort();
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
}

bool
bytes_equal_secret(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

int
ed25519_public(const uint8_t seed[ED25519_SEED_SIZE],
    uint8_t public_key[ED25519_PUBLIC_SIZE], struct err *e)
{
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed,
        ED25519_SEED_SIZE);
    size_t len = ED25519_PUBLIC_SIZE;
    int r = 0;

    if (key == NULL ||
        EVP_PKEY_get_raw_public_key(key, public_key, &len) != 1 ||
        len != ED25519_PUBLIC_SIZE)
        r = err_set(e, ERR_INTERNAL, "cannot derive an Ed25519 public key");
    EVP_PKEY_free(key);
    return r;
}

struct ed25519_key {
    EVP_PKEY *pkey;
};

struct ed25519_key *
ed25519_key_new(const uint8_t seed[ED25519_SEED_SIZE], struct err *e)
{
    struct ed25519_key *key = alloc_zeroed(1, sizeof(*key));

    key->pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed,
        ED25519_SEED_SIZE);
    if (key->pkey != NULL)
        return key;
    ed25519_key_free(key);
    err_set(e, ERR_INTERNAL, "cannot use an Ed25519 key");
    return NULL;
}

void
ed25519_key_free(struct ed25519_key *key)
{
    if (key != NULL)
        EVP_PKEY_free(key->pkey);
    free(key);
}

int
ed25519_key_sign(const struct ed25519_key *key, const void *data, size_t len,
    uint8_t signature[ED25519_SIGNATURE_SIZE], struct err *e)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t out_len = ED25519_SIGNATURE_SIZE;
    int r = 0;

    /* Ed25519 hashes by itself: no digest is named (RFC 8032). */
    if (ctx == NULL ||
        EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) != 1 ||
        EVP_DigestSign(ctx, signature, &out_len, data, len) != 1 ||
        out_len != ED25519_SIGNATURE_SIZE)
        r = err_set(e, ERR_INTERNAL, "cannot make an Ed25519 signature");
    EVP_MD_CTX_free(ctx);
    return r;
}

int
ed25519_sign(const uint8_t seed[ED25519_SEED_SIZE], const void *data,
    size_t len, uint8_t signature[ED25519_SIGNATURE_SIZE], struct err *e)
{
    struct ed25519_key *key = ed25519_key_new(seed, e);
    int r = key != NULL ? ed25519_key_sign(key, data, len, signature, e) : -1;

    ed25519_key_free(key);
    return r;
}

bool
ed25519_verify(const uint8_t public_key[ED25519_PUBLIC_SIZE], const void *data,
    size_t len, const uint8_t signature[ED25519_SIGNATURE_SIZE])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
        public_key, ED25519_PUBLIC_SIZE);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = key != NULL && ctx != NULL &&
              EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
              EVP_DigestVerify(ctx, signature, ED25519_SIGNATURE_SIZE, data,
                  len) == 1;

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return ok;
}

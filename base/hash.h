/*
 * SHA-256, Ed25519, random bytes, constant-time comparison and text encodings,
 * all by OpenSSL (hex and base64 are ours, with strict decoders).
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define HASH_SIZE 32
#define ED25519_SEED_SIZE 32
#define ED25519_PUBLIC_SIZE 32
#define ED25519_SIGNATURE_SIZE 64

struct hasher; /* a running SHA-256; reusable after hasher_finish */

struct hasher *hasher_new(void);
void hasher_free(struct hasher *h);
void hasher_update(struct hasher *h, const void *data, size_t len);
/* Writes the hash and starts anew. */
void hasher_finish(struct hasher *h, uint8_t out[HASH_SIZE]);
/* SHA-256 of one piece. */
void hash_bytes(const void *data, size_t len, uint8_t out[HASH_SIZE]);

/* Fills OUT from the kernel's generator; aborts if there is none. */
void random_bytes(void *out, size_t len);
bool bytes_equal_secret(const void *a, const void *b, size_t len);

/* Ed25519 (RFC 8032), raw keys: the private key is its 32-byte seed. */
int ed25519_public(const uint8_t seed[ED25519_SEED_SIZE],
    uint8_t public_key[ED25519_PUBLIC_SIZE], struct err *e);
int ed25519_sign(const uint8_t seed[ED25519_SEED_SIZE], const void *data,
    size_t len, uint8_t signature[ED25519_SIGNATURE_SIZE], struct err *e);
/* A private key made ready once, for who signs often: making it costs as much
 * as a signature.  NULL with E.  Signing is safe from several threads. */
struct ed25519_key;
struct ed25519_key *ed25519_key_new(const uint8_t seed[ED25519_SEED_SIZE],
    struct err *e);
void ed25519_key_free(struct ed25519_key *key); /* wipes */
int ed25519_key_sign(const struct ed25519_key *key, const void *data,
    size_t len, uint8_t signature[ED25519_SIGNATURE_SIZE], struct err *e);
/* True only for a valid signature by that key. */
bool ed25519_verify(const uint8_t public_key[ED25519_PUBLIC_SIZE],
    const void *data, size_t len,
    const uint8_t signature[ED25519_SIGNATURE_SIZE]);

/* Lower-case hex; OUT has room for 2 * LEN + 1. */
void hex_encode(const void *data, size_t len, char *out);
/* Reads exactly LEN bytes from 2 * LEN hex digits. */
bool hex_decode(const char *text, void *out, size_t len);
/* RFC 4648 base64; fresh string, caller frees.  PAD adds "=". */
char *base64_encode(const void *data, size_t len, bool pad);
/* Padding optional, nothing else tolerated; fresh memory or NULL. */
uint8_t *base64_decode(const char *text, size_t *len);

#endif

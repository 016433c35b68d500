/*
 * What proves who is at the other end of an SSH connection, checked and made by
 * the engine, which never saw the connection: a server's signature over the
 * exchange hash (RFC 4253 section 8), and a client's over the session id and
 * its request (RFC 4252 section 7).  Keys are Ed25519, hashes SHA-256, as our
 * lists of algorithms have it.
 */
#ifndef DAEMON_PROOF_H
#define DAEMON_PROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"

/* An exchange hash; the first one of a connection is its session id. */
#define EXCHANGE_HASH_SIZE HASH_SIZE

/* True when the key BLOB (RFC 4253) signed the exchange hash. */
bool proof_host_is_valid(const void *blob, size_t blob_len,
    const uint8_t exchange_hash[EXCHANGE_HASH_SIZE],
    const uint8_t signature[ED25519_SIGNATURE_SIZE]);
/* True when the key BLOB signed a login as USER in that session. */
bool proof_login_is_valid(const uint8_t session_id[EXCHANGE_HASH_SIZE],
    const char *user, const void *blob, size_t blob_len,
    const uint8_t signature[ED25519_SIGNATURE_SIZE]);
/* Signs a login; BLOB is the public half of KEY. */
int proof_login_make(const struct ed25519_key *key, const void *blob,
    size_t blob_len, const uint8_t session_id[EXCHANGE_HASH_SIZE],
    const char *user, uint8_t signature[ED25519_SIGNATURE_SIZE], struct err *e);

/* The text of an OpenSSH private key that has BLOB as its public half and no
 * private one: what libssh gets where the engine signs.  NULL when BLOB is no
 * Ed25519 key; else fresh. */
char *proof_stand_in(const void *blob, size_t blob_len);

#endif

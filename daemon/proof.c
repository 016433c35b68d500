/*
 * Proofs of identity over SSH, from their parts as the engine knows them: what
 * a process that parses SSH says was signed is never believed.
 */
#include "daemon/proof.h"

#include <string.h>

#include "base/buf.h"
#include "daemon/keys_openssh.h"

#define MSG_USERAUTH_REQUEST 50 /* RFC 4252 section 6 */
#define KEY_TYPE "ssh-ed25519"

/* The raw key of a blob; NULL unless it is one of Ed25519, to the byte. */
static const uint8_t *
public_key_of(const void *blob, size_t blob_len)
{
    struct buf expected = BUF_INIT;
    const uint8_t *key;

    if (blob_len != ED25519_BLOB_SIZE)
        return NULL;
    key = (const uint8_t *)blob + ED25519_BLOB_SIZE - ED25519_PUBLIC_SIZE;
    openssh_public_blob(key, &expected);
    if (memcmp(expected.data, blob, blob_len) != 0)
        key = NULL;
    buf_release(&expected);
    return key;
}

bool
proof_host_is_valid(const void *blob, size_t blob_len,
    const uint8_t exchange_hash[EXCHANGE_HASH_SIZE],
    const uint8_t signature[ED25519_SIGNATURE_SIZE])
{
    const uint8_t *key = public_key_of(blob, blob_len);

    return key != NULL &&
           ed25519_verify(key, exchange_hash, EXCHANGE_HASH_SIZE, signature);
}

char *
proof_stand_in(const void *blob, size_t blob_len)
{
    static const uint8_t no_seed[ED25519_SEED_SIZE];
    const uint8_t *key = public_key_of(blob, blob_len);

    return key != NULL ? openssh_private_text(no_seed, key, "") : NULL;
}

/* What a client signs (RFC 4252 section 7). */
static void
put_login(struct buf *out, const uint8_t session_id[EXCHANGE_HASH_SIZE],
    const char *user, const void *blob, size_t blob_len)
{
    buf_put_bytes(out, session_id, EXCHANGE_HASH_SIZE);
    buf_put_u8(out, MSG_USERAUTH_REQUEST);
    buf_put_string(out, user);
    buf_put_string(out, "ssh-connection");
    buf_put_string(out, "publickey");
    buf_put_u8(out, 1);
    buf_put_string(out, KEY_TYPE);
    buf_put_bytes(out, blob, blob_len);
}

bool
proof_login_is_valid(const uint8_t session_id[EXCHANGE_HASH_SIZE],
    const char *user, const void *blob, size_t blob_len,
    const uint8_t signature[ED25519_SIGNATURE_SIZE])
{
    const uint8_t *key = public_key_of(blob, blob_len);
    struct buf login = BUF_INIT;
    bool valid;

    if (key == NULL)
        return false;
    put_login(&login, session_id, user, blob, blob_len);
    valid = ed25519_verify(key, login.data, login.len, signature);
    buf_release(&login);
    return valid;
}

int
proof_login_make(const struct ed25519_key *key, const void *blob,
    size_t blob_len, const uint8_t session_id[EXCHANGE_HASH_SIZE],
    const char *user, uint8_t signature[ED25519_SIGNATURE_SIZE], struct err *e)
{
    struct buf login = BUF_INIT;
    int r;

    put_login(&login, session_id, user, blob, blob_len);
    r = ed25519_key_sign(key, login.data, login.len, signature, e);
    buf_release(&login);
    return r;
}

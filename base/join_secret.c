/*
 * HMAC-SHA-256 (RFC 2104) by OpenSSL.
 */
#include "base/join_secret.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

void
join_secret_prove(const uint8_t secret[JOIN_SECRET_SIZE], enum join_side side,
    const char *fingerprint, char proof[JOIN_PROOF_SIZE])
{
    static const char *const sides[] = {
        [JOIN_PRIMARY] = "lockstep join primary",
        [JOIN_NODE] = "lockstep join node",
    };
    char *text = alloc_format("%s\n%s", sides[side], fingerprint);
    uint8_t mac[HASH_SIZE];
    unsigned len = sizeof(mac);

    if (HMAC(EVP_sha256(), secret, JOIN_SECRET_SIZE, (const uint8_t *)text,
            strlen(text), mac, &len) == NULL)
        abort();
    hex_encode(mac, sizeof(mac), proof);
    free(text);
}

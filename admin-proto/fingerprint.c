/* The fingerprint of a public key, as OpenSSH shows it. */
#include <stdio.h>
#include <stdlib.h>

#include "admin-proto/ssh_client.h"
#include "base/hash.h"

void
admin_fingerprint(const void *blob, size_t len, char out[64])
{
    uint8_t hash[HASH_SIZE];
    char *text;

    hash_bytes(blob, len, hash);
    text = base64_encode(hash, sizeof(hash), false);
    snprintf(out, 64, "SHA256:%s", text);
    free(text);
}

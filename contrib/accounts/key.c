/* Trusts no CHECK: replicated rows are applied without. */
#include "contrib/accounts/key.h"

#include <stddef.h>
#include <string.h>

#define KEY_MAX 8192

static const char *const key_types[] = { "ssh-ed25519", "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa" };

bool
key_is_plain(const char *type, const char *key)
{
    size_t len;

    if (type == NULL || key == NULL)
        return false;
    len = strlen(key);
    if (len == 0 || len > KEY_MAX ||
        strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                    "0123456789+/=") != len)
        return false;
    for (size_t i = 0; i < sizeof(key_types) / sizeof(key_types[0]); i++)
        if (strcmp(type, key_types[i]) == 0)
            return true;
    return false;
}

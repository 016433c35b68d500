/*
 * A host key as OpenSSH keeps it: an unencrypted "OPENSSH PRIVATE KEY", whose
 * outer part has the public key.
 */
#ifndef CONTRIB_HOSTKEYS_HOST_KEY_H
#define CONTRIB_HOSTKEYS_HOST_KEY_H

#include <stddef.h>

#include "base/err.h"

/* Bytes of a key's file; a key of RSA with 16384 bits has 13 KB. */
#define HOST_KEY_MAX 16384
#define HOST_KEY_SHOWN 64

/* Types that servers show, as keys name them, and the file that each has. */
struct host_key_type {
    const char *name;
    const char *file;
};

/* A NULL name ends. */
extern const struct host_key_type host_key_types[];

/* Which type the key in TEXT is of; SHOWN is its fingerprint, "SHA256:...".
 * NULL with E (ERR_INVALID) when it is none. */
const struct host_key_type *host_key_look(const char *text, size_t len,
    char shown[HOST_KEY_SHOWN], struct err *e);

#endif

/*
 * Lines of OpenSSH public keys, "TYPE BASE64 [COMMENT]", as users bring them:
 * Ed25519, ECDSA (NIST curves) and RSA of at least 2048 bits.
 */
#ifndef DAEMON_PUBLIC_KEY_H
#define DAEMON_PUBLIC_KEY_H

#include "base/err.h"

struct public_key {
    char type[32];
    char *base64;         /* canonical, padded */
    char *comment;        /* NULL when there is none */
    char fingerprint[64]; /* "SHA256:..." */
};

/* Reads one line; the blob inside must be well-formed and of the type that the
 * line says.  Options before the type are refused.  ERR_INVALID. */
int public_key_parse(struct public_key *key, const char *line, struct err *e);
void public_key_release(struct public_key *key);
/* The fingerprint of a blob in base64; "" when it is no base64. */
void public_key_fingerprint(const char *base64, char out[64]);

#endif

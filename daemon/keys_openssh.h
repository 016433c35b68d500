/*
 * Ed25519 keys in the formats of OpenSSH: the private key file
 * ("openssh-key-v1", PROTOCOL.key of OpenSSH, unencrypted) and the public blob
 * of RFC 4253 and RFC 8709.  Only files of our own are read.
 */
#ifndef DAEMON_KEYS_OPENSSH_H
#define DAEMON_KEYS_OPENSSH_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"

#define ED25519_BLOB_SIZE 51

void openssh_public_blob(const uint8_t public_key[ED25519_PUBLIC_SIZE],
    struct buf *out);
/* The private key file's text, fresh. */
char *openssh_private_text(const uint8_t seed[ED25519_SEED_SIZE],
    const uint8_t public_key[ED25519_PUBLIC_SIZE], const char *comment);
/* The seed of such a text; ERR_INVALID for anything but one unencrypted Ed25519
 * key whose halves agree. */
int openssh_private_parse(const char *text, uint8_t seed[ED25519_SEED_SIZE],
    struct err *e);

#endif

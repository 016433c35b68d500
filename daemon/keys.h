/*
 * The node's three Ed25519 keys, made at the first start, each with one use:
 * host key (who we are on the admin port), login key (how a primary logs in to
 * its secondaries), bundle key (what signs bundles).  Files in STATE_DIR/keys,
 * 0600: host_key and login_key as OpenSSH private keys, bundle_key as hex seed.
 */
#ifndef DAEMON_KEYS_H
#define DAEMON_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "sync/bundle.h"

struct keys {
    struct ed25519_key *host_private;
    struct ed25519_key *login_private;
    uint8_t *host_blob; /* RFC 4253 public key blob */
    size_t host_blob_len;
    uint8_t *login_blob;
    size_t login_blob_len;
    struct ed25519_key *bundle_private;
    uint8_t bundle_public[ED25519_PUBLIC_SIZE];
    char fingerprint[64]; /* of the host key, "SHA256:..." */
};

/* Loads, making what is missing when MAKE is true. */
int keys_load(struct keys *k, const char *state_dir, bool make, struct err *e);
void keys_release(struct keys *k);                /* wipes */
struct bundle_signer keys_signer(struct keys *k); /* borrows K */
/* A fresh OpenSSH key pair: private text and public blob (for the local
 * administrator's key). */
int keys_generate(char **private_text, uint8_t **blob, size_t *blob_len,
    struct err *e);
/* "ssh-ed25519 AAAA... [comment]" to a blob; only Ed25519 is accepted. */
int keys_parse_line(const char *line, uint8_t **blob, size_t *blob_len,
    char **comment, struct err *e);
char *keys_format_line(const void *blob, size_t len, const char *comment);

#endif

/*
 * The node's three Ed25519 keys, made at the first start, each with one use:
 * host key (who we are on the admin port), login key (how a primary logs in to
 * its secondaries), bundle key (what signs bundles).  Files in STATE_DIR/keys,
 * 0600: host_key and login_key as OpenSSH private keys, bundle_key as hex seed.
 *
 * Each may have a successor, NAME.next, which is announced to the other nodes
 * before it is used (daemon/key_rotation.h).
 */
#ifndef DAEMON_KEYS_H
#define DAEMON_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "sync/bundle.h"

enum key_kind { KEY_HOST, KEY_LOGIN, KEY_BUNDLE };
#define KEY_KINDS 3

struct key_successor {
    bool made;
    bool forced; /* by an administrator; key_rotation.c keeps it */
    uint8_t public_key[ED25519_PUBLIC_SIZE];
};

struct retired_key;

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
    struct key_successor next[KEY_KINDS];
    /* What was in use since the start: sessions, links and jobs that began
     * with one of these end with it. */
    struct retired_key *retired;
};

/* Loads, making what is missing when MAKE is true. */
int keys_load(struct keys *k, const char *state_dir, bool make, struct err *e);
void keys_release(struct keys *k); /* wipes */
/* With the bundle key of now; good until keys_release, on any thread. */
struct bundle_signer keys_signer(const struct keys *k);
/* Whether that signer's key is still the one in use. */
bool keys_signs(const struct keys *k, const struct bundle_signer *signer);

/* Makes a successor, durable when this returns; one that is there stays. */
int keys_make_next(struct keys *k, const char *state_dir, enum key_kind kind,
    struct err *e);
/* Takes the successor into use, durably, and forgets the key before it. */
int keys_use_next(struct keys *k, const char *state_dir, enum key_kind kind,
    struct err *e);
void keys_public(const struct keys *k, enum key_kind kind,
    uint8_t public_key[ED25519_PUBLIC_SIZE]);
const char *key_kind_name(enum key_kind kind); /* "host", ... */
/* False when NAME is none of them. */
bool key_kind_parse(const char *name, enum key_kind *kind);
/* "SHA256:..." as SSH programs show the public key. */
void key_fingerprint(const uint8_t public_key[ED25519_PUBLIC_SIZE],
    char text[64]);

/* A fresh OpenSSH key pair: private text and public blob (for the local
 * administrator's key). */
int keys_generate(char **private_text, uint8_t **blob, size_t *blob_len,
    struct err *e);
/* "ssh-ed25519 AAAA... [comment]" to a blob; only Ed25519 is accepted. */
int keys_parse_line(const char *line, uint8_t **blob, size_t *blob_len,
    char **comment, struct err *e);
char *keys_format_line(const void *blob, size_t len, const char *comment);

#endif

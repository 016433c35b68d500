/*
 * What a primary tells its secondaries about its keys: those in use and the
 * successors it will use, signed by the bundle key in use.  The document is the
 * whole state, so it may be told again at any time (docs/protocol.md, "Keys").
 */
#ifndef DAEMON_KEY_ANNOUNCEMENT_H
#define DAEMON_KEY_ANNOUNCEMENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "daemon/keys.h"
#include "daemon/node.h"

struct key_announcement {
    uint8_t cluster[ID_SIZE];
    uint64_t epoch;
    uint8_t primary_id[ID_SIZE];
    uint8_t now[KEY_KINDS][ED25519_PUBLIC_SIZE]; /* by enum key_kind */
    struct key_successor next[KEY_KINDS];
};

/* Of this primary, as its keys are. */
void key_announcement_of(const struct node *node, const struct keys *keys,
    struct key_announcement *a);
/* What is signed, and what tells two announcements apart. */
void key_announcement_hash(const struct key_announcement *a,
    uint8_t hash[HASH_SIZE]);
/* Arguments of the command "node keys", signed by SIGNER; NULL with E. */
json_t *key_announcement_json(const struct key_announcement *a,
    const struct bundle_signer *signer, struct err *e);
/* The reverse.  ERR_INVALID when malformed, ERR_SIGNATURE unless the bundle key
 * that it names as the one in use signed it: whether that key counts is the
 * caller's to decide. */
int key_announcement_read(const json_t *args, struct key_announcement *a,
    struct err *e);

/* Hex of a public key as a member that may be null or missing. */
int key_member_read(const json_t *object, const char *name, bool required,
    struct key_successor *key, struct err *e);
json_t *key_member_json(const struct key_successor *key);

#endif

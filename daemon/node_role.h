/*
 * Changes of what this node is: enrolled by a primary, released by it, detached
 * by its own administrator.
 */
#ifndef DAEMON_NODE_ROLE_H
#define DAEMON_NODE_ROLE_H

#include "base/err.h"
#include "daemon/node.h"

struct engine;

/* What a primary says of itself when it enrolls this node. */
struct enrollment {
    uint8_t cluster[ID_SIZE];
    const char *cluster_name;
    uint64_t epoch;
    uint8_t primary_id[ID_SIZE];
    const char *primary_name;
    const char *primary_address;
    const uint8_t *login_blob;
    size_t login_blob_len;
    uint8_t bundle_key[ED25519_PUBLIC_SIZE];
    const char *fingerprint;
};

typedef void (*node_role_fn)(void *ctx, const struct err *e);

/* Whether that primary may enroll this node: ERR_IS_SELF, ERR_OTHER_CLUSTER,
 * ERR_ROLE, ERR_STALE_EPOCH, ERR_OTHER_WRITER. */
int node_may_enroll(struct engine *engine, const struct enrollment *enrollment,
    struct err *e);
/* Both are durable before the datasets change hands; FN is called on the loop
 * when that is done, unless -1 is returned. */
int node_enroll(struct engine *engine, const struct enrollment *enrollment,
    node_role_fn fn, void *ctx, struct err *e);
int node_leave(struct engine *engine, node_role_fn fn, void *ctx,
    struct err *e);

#endif

/*
 * What this node is, as its store (STATE_DIR/node.db, SQLite, synchronous
 * FULL) keeps it.  Small values are name/value rows; servers and local
 * filter rules are tables.  Every setter is durable when it returns.
 */
#ifndef DAEMON_NODE_H
#define DAEMON_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "sync/state.h"

enum node_role { NODE_STANDALONE, NODE_PRIMARY, NODE_SECONDARY };
const char *node_role_name(enum node_role role);

struct store; /* the open node.db; see daemon/store.h */

struct node {
    struct store *store;
    uint8_t id[ID_SIZE];
    char name[256];
    enum node_role role;
    uint8_t writer[ID_SIZE]; /* this engine start's; never stored */
    int64_t started_mono_ms;

    /* of the cluster; zero while standalone */
    uint8_t cluster[ID_SIZE];
    char cluster_name[256];
    uint64_t epoch;

    /* on a secondary: whose it is */
    uint8_t primary_id[ID_SIZE];
    char primary_name[256];
    char primary_address[256];   /* the address it was last seen from */
    uint8_t *primary_login_blob; /* NULL unless secondary */
    size_t primary_login_blob_len;
    uint8_t primary_bundle_key[ED25519_PUBLIC_SIZE];
    char primary_fingerprint[64];
    /* Successors that it announced, raw; zero: none (daemon/node_keys.c). */
    uint8_t primary_login_next[ED25519_PUBLIC_SIZE];
    uint8_t primary_bundle_next[ED25519_PUBLIC_SIZE];
    /* Fingerprints that an administrator of this node accepted instead: "" or
     * "SHA256:...", until the primary says that it uses that key. */
    char primary_login_trusted[64];
    char primary_bundle_trusted[64];
    int64_t primary_heard_ms; /* UTC; memory only, saved at most once a
                                      minute and at stop */
    int64_t primary_equal_ms; /* the same: daemon/equal_since.h */

    bool drained; /* by an administrator: no new logins (daemon/health.h) */

    /* of the primary: how the cluster is synchronized */
    bool sync_enabled;   /* default true */
    bool instant;        /* default false */
    int64_t interval_ms; /* default 60000; 1 s to 1 day */
};

/* Opens or creates the store and loads; a new one is standalone with a random
 * id and the given name. */
int node_open(struct node *n, const char *state_dir, const char *name,
    struct err *e);
void node_close(struct node *n);
/* Writes every stored member in one transaction. */
int node_save(struct node *n, struct err *e);
/* The highest epoch ever seen; accepting a lower one is refused elsewhere. */

#endif

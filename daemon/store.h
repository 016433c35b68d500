/*
 * STATE_DIR/node.db: the node's own state, never replicated.  Only the engine's
 * loop thread uses it.  Table "servers" is the registry of a primary,
 * "server_keys" what it knows of keys beside that; table "filter_rules" the
 * node's own rules; table "bans" who is kept out; table "values" the rest.
 *
 * Its user_version counts for the whole state directory: it grows with every
 * change of any file there that an earlier lockstepd would misread, and that
 * one does not start any more.
 */
#ifndef DAEMON_STORE_H
#define DAEMON_STORE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "ipfilter/bans.h"
#include "sync/state.h"

struct store;

/* ERR_VERSION when a newer lockstepd wrote STATE_DIR/node.db.  Looks at the
 * file's header only and leaves no trace; what is still in a log beside it is
 * for store_open to see.  Not while this process has the store open. */
int store_check_version(const char *state_dir, struct err *e);
/* ERR_VERSION as above. */
int store_open(struct store **store, const char *state_dir, struct err *e);
void store_close(struct store *store);
/* For modules with tables of their own; the connection stays the store's. */
sqlite3 *store_database(struct store *store);
int store_begin(struct store *store, struct err *e);
int store_commit(struct store *store, struct err *e);
void store_rollback(struct store *store);
/* Values by name; get returns 0 with *LEN 0 and *VALUE NULL when absent; the
 * caller frees VALUE (NUL-terminated beyond LEN). */
int store_get(struct store *store, const char *name, uint8_t **value,
    size_t *len, struct err *e);
int store_put(struct store *store, const char *name, const void *value,
    size_t len, struct err *e);
int store_delete(struct store *store, const char *name, struct err *e);

/* One registered server. */
struct server_record {
    int64_t id; /* 0 before the first save */
    char name[256];
    char host[256];
    uint16_t port;
    uint8_t node_id[ID_SIZE];
    uint8_t *host_key; /* pinned blob */
    size_t host_key_len;
    bool paused;
    int64_t interval_ms; /* 0: the cluster's */
    int64_t added_ms;
    int64_t last_synchronized_ms;
    int64_t last_verified_ms;
    int64_t last_change_ms; /* when a push last changed it */
    uint64_t overwrites;
    uint64_t pushes;
    uint64_t bytes_sent;
    char last_address[64];
    char seen_address[64]; /* ours, as the secondary saw it */
    char version[64];
};

/* All servers by name; the caller frees with store_servers_free. */
int store_servers_load(struct store *store, struct server_record **servers,
    size_t *count, struct err *e);
void store_servers_free(struct server_record *servers, size_t count);
void server_record_release(struct server_record *server);
int store_server_save(struct store *store, struct server_record *server,
    struct err *e);
int store_server_delete(struct store *store, int64_t id, struct err *e);

/* About one server and keys; all zero when nothing is known. */
struct server_keys {
    bool was_told;
    uint8_t told[HASH_SIZE]; /* the announcement that it confirmed last */
    bool has_host_next;
    /* The successor of its host key: it is accepted as well. */
    uint8_t host_next[ED25519_PUBLIC_SIZE];
};

int store_server_keys_load(struct store *store, int64_t id,
    struct server_keys *keys, struct err *e);
/* The server must be saved already; its keys are deleted with it. */
int store_server_keys_save(struct store *store, int64_t id,
    const struct server_keys *keys, struct err *e);

/* The newest BANS_MAX bans, the newest first; the caller frees. */
int store_bans_load(struct store *store, struct ban **bans, size_t *count,
    struct err *e);
int store_ban_save(struct store *store, const struct ban *ban, struct err *e);
/* SOURCE as bans have it; one that is not there is no error. */
int store_ban_delete(struct store *store, const struct ip_address *source,
    struct err *e);
/* Deletes those that ended before. */
int store_bans_prune(struct store *store, int64_t before_ms, struct err *e);

#endif

/*
 * The order is always the same: the node store first, then the datasets.
 * What a crash leaves undone is done by the next start, which opens the
 * datasets for the role that the store names.
 */
#include "daemon/node_role.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "daemon/datasets.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/fleet.h"
#include "daemon/inbound.h"
#include "daemon/join.h"
#include "daemon/store.h"

struct role_work {
    struct engine *engine;
    node_role_fn fn;
    void *ctx;
};

static int
count_servers(struct engine *engine, size_t *count, struct err *e)
{
    struct server_record *servers;

    if (store_servers_load(engine->node.store, &servers, count, e) != 0)
        return -1;
    store_servers_free(servers, *count);
    return 0;
}

static int
check_same_cluster(const struct node *node, const struct enrollment *en,
    struct err *e)
{
    if (en->epoch < node->epoch)
        return err_set(e, ERR_STALE_EPOCH,
            "epoch %llu is over: this node has seen %llu",
            (unsigned long long)en->epoch, (unsigned long long)node->epoch);
    if (node->role == NODE_SECONDARY && en->epoch == node->epoch &&
        memcmp(en->primary_id, node->primary_id, ID_SIZE) != 0) {
        err_set(e, ERR_OTHER_WRITER,
            "this node belongs to \"%s\" in the same epoch",
            node->primary_name);
        err_hint(e, "Two primaries of one cluster: stop the one that should "
                    "not be.");
        return -1;
    }
    return 0;
}

int
node_may_enroll(struct engine *engine, const struct enrollment *en,
    struct err *e)
{
    const struct node *node = &engine->node;
    size_t servers;

    if (memcmp(en->primary_id, node->id, ID_SIZE) == 0) {
        err_set(e, ERR_IS_SELF, "this is the primary itself");
        err_hint(e, "Give the address of another node.");
        return -1;
    }
    if (engine->role_changing) {
        return err_set(e, ERR_BUSY, "this node is changing its role");
    }
    if (node->role == NODE_PRIMARY) {
        if (count_servers(engine, &servers, e) != 0)
            return -1;
        if (servers > 0) {
            err_set(e, ERR_ROLE,
                "\"%s\" is a primary with %zu secondaries of its own",
                node->name, servers);
            err_hint(e, "Remove its servers there first: \"lockstep server "
                        "remove\".");
            return -1;
        }
    }
    if (node->role == NODE_STANDALONE)
        return 0;
    if (memcmp(en->cluster, node->cluster, ID_SIZE) == 0)
        return check_same_cluster(node, en, e);
    if (node->role == NODE_PRIMARY)
        return 0;
    err_set(e, ERR_OTHER_CLUSTER,
        "\"%s\" belongs to cluster \"%s\" of primary \"%s\"", node->name,
        node->cluster_name, node->primary_name);
    err_hint(e, "Remove it there, or run \"lockstep node detach\" on it.");
    return -1;
}

static void
role_changed(void *ctx, const struct err *e)
{
    struct role_work *w = ctx;
    struct engine *engine = w->engine;

    engine->role_changing = false;
    if (!engine->stopping)
        fleet_role_changed(engine->fleet);
    /* Whoever asked for it hears of it before his session ends. */
    w->fn(w->ctx, e);
    if (!engine->stopping)
        inbounds_check_logins(engine->inbounds);
    free(w);
}

static void
change_datasets(struct engine *engine, node_role_fn fn, void *ctx)
{
    struct role_work *w = alloc_zeroed(1, sizeof(*w));

    w->engine = engine;
    w->fn = fn;
    w->ctx = ctx;
    engine->role_changing = true;
    datasets_change_role(engine->datasets, role_changed, w);
}

/* The stored members that a role owns, all at once. */
static void
forget_cluster(struct node *node)
{
    node->role = NODE_STANDALONE;
    memset(node->cluster, 0, ID_SIZE);
    node->cluster_name[0] = '\0';
    node->epoch = 0;
    memset(node->primary_id, 0, ID_SIZE);
    node->primary_name[0] = '\0';
    node->primary_address[0] = '\0';
    node->primary_fingerprint[0] = '\0';
    memset(node->primary_bundle_key, 0, ED25519_PUBLIC_SIZE);
    memset(node->primary_login_next, 0, ED25519_PUBLIC_SIZE);
    memset(node->primary_bundle_next, 0, ED25519_PUBLIC_SIZE);
    node->primary_login_trusted[0] = '\0';
    node->primary_bundle_trusted[0] = '\0';
    node->primary_heard_ms = 0;
    node->primary_equal_ms = 0;
    node->primary_login_blob = NULL;
    node->primary_login_blob_len = 0;
}

/* Saves what CHANGED holds and makes it the node's; nothing on error. */
static int
save_as(struct engine *engine, struct node *changed, struct err *e)
{
    uint8_t *old_blob = engine->node.primary_login_blob;

    if (node_save(changed, e) != 0) {
        free(changed->primary_login_blob);
        return -1;
    }
    free(old_blob);
    engine->node = *changed;
    return 0;
}

int
node_enroll(struct engine *engine, const struct enrollment *en, node_role_fn fn,
    void *ctx, struct err *e)
{
    struct node n = engine->node;

    if (node_may_enroll(engine, en, e) != 0)
        return -1;
    forget_cluster(&n);
    n.role = NODE_SECONDARY;
    memcpy(n.cluster, en->cluster, ID_SIZE);
    snprintf(n.cluster_name, sizeof(n.cluster_name), "%s", en->cluster_name);
    n.epoch = en->epoch;
    memcpy(n.primary_id, en->primary_id, ID_SIZE);
    snprintf(n.primary_name, sizeof(n.primary_name), "%s", en->primary_name);
    snprintf(n.primary_address, sizeof(n.primary_address), "%s",
        en->primary_address);
    snprintf(n.primary_fingerprint, sizeof(n.primary_fingerprint), "%s",
        en->fingerprint);
    memcpy(n.primary_bundle_key, en->bundle_key, ED25519_PUBLIC_SIZE);
    n.primary_login_blob = alloc_copy(en->login_blob, en->login_blob_len);
    n.primary_login_blob_len = en->login_blob_len;
    n.primary_heard_ms = clock_utc_ms();
    if (save_as(engine, &n, e) != 0)
        return -1;
    events_add(engine->events, "info", "enrolled", NULL, NULL,
        "a secondary of \"%s\" in cluster \"%s\"", n.primary_name,
        n.cluster_name);
    change_datasets(engine, fn, ctx);
    return 0;
}

int
node_leave(struct engine *engine, node_role_fn fn, void *ctx, struct err *e)
{
    struct node n = engine->node;
    char primary[sizeof(n.primary_name)];

    if (engine->role_changing)
        return err_set(e, ERR_BUSY, "this node is changing its role");
    snprintf(primary, sizeof(primary), "%s", n.primary_name);
    forget_cluster(&n);
    if (save_as(engine, &n, e) != 0)
        return -1;
    events_add(engine->events, "info", "standalone", NULL, NULL,
        "no secondary of \"%s\" any more; the data stays", primary);
    join_close(engine);
    change_datasets(engine, fn, ctx);
    return 0;
}

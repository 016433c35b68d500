/*
 * This node as JSON.
 */
#include "daemon/status.h"

#include "base/clock.h"
#include "base/json.h"
#include "daemon/datasets.h"
#include "daemon/engine.h"
#include "daemon/equal_since.h"
#include "daemon/fleet.h"
#include "daemon/listener.h"

static json_t *
node_status(const struct engine *engine)
{
    const struct node *node = &engine->node;
    json_t *json = json_object();

    json_object_set_new(json, "id", json_hex(node->id, ID_SIZE));
    json_object_set_new(json, "name", json_text(node->name));
    json_object_set_new(json, "role", json_text(node_role_name(node->role)));
    json_object_set_new(json, "version", json_text(LOCKSTEP_VERSION));
    json_object_set_new(json, "fingerprint",
        json_text(engine->keys.fingerprint));
    json_object_set_new(json, "drained", json_boolean(node->drained));
    json_object_set_new(json, "uptime_s",
        json_integer((clock_mono_ms() - node->started_mono_ms) / 1000));
    return json;
}

static const char *
own_address(const struct engine *engine)
{
    return engine->listener != NULL ? listener_address(engine->listener) : NULL;
}

static json_t *
primary_status(const struct engine *engine)
{
    const struct node *node = &engine->node;
    json_t *json = json_object();

    if (node->role == NODE_PRIMARY) {
        json_object_set_new(json, "id", json_hex(node->id, ID_SIZE));
        json_object_set_new(json, "name", json_text(node->name));
        json_object_set_new(json, "address", json_text(own_address(engine)));
        json_object_set_new(json, "last_heard", json_time(clock_utc_ms()));
        return json;
    }
    json_object_set_new(json, "id", json_hex(node->primary_id, ID_SIZE));
    json_object_set_new(json, "name", json_text(node->primary_name));
    json_object_set_new(json, "address",
        json_text(
            node->primary_address[0] != '\0' ? node->primary_address : NULL));
    json_object_set_new(json, "last_heard", json_time(node->primary_heard_ms));
    json_object_set_new(json, "equal_since", json_time(equal_since_ms(engine)));
    return json;
}

static json_t *
cluster_status(const struct engine *engine)
{
    const struct node *node = &engine->node;
    json_t *json;

    if (node->role == NODE_STANDALONE)
        return json_null();
    json = json_object();
    json_object_set_new(json, "id", json_hex(node->cluster, ID_SIZE));
    json_object_set_new(json, "name", json_text(node->cluster_name));
    json_object_set_new(json, "epoch", json_integer((json_int_t)node->epoch));
    json_object_set_new(json, "primary", primary_status(engine));
    return json;
}

static json_t *
sync_status(const struct node *node)
{
    json_t *json = json_object();

    json_object_set_new(json, "enabled", json_boolean(node->sync_enabled));
    json_object_set_new(json, "interval_ms", json_integer(node->interval_ms));
    json_object_set_new(json, "instant", json_boolean(node->instant));
    return json;
}

json_t *
status_json(struct engine *engine)
{
    json_t *json = json_object();
    char why[512] = "", own[512] = "";
    bool healthy = fleet_healthy(engine->fleet, why, sizeof(why));
    bool ready = fleet_ready_itself(engine->fleet, own, sizeof(own));

    json_object_set_new(json, "node", node_status(engine));
    json_object_set_new(json, "cluster", cluster_status(engine));
    json_object_set_new(json, "datasets", datasets_json(engine->datasets));
    json_object_set_new(json, "address", json_text(own_address(engine)));
    json_object_set_new(json, "healthy", json_boolean(healthy));
    json_object_set_new(json, "problem", json_text(healthy ? NULL : why));
    json_object_set_new(json, "own_problem", json_text(ready ? NULL : own));
    json_object_set_new(json, "sync", sync_status(&engine->node));
    return json;
}

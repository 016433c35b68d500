/*
 * The second half of a registration: the facts of the node that was logged in
 * to, its enrolment, its entry in the list of servers, its first overwrite.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "daemon/events.h"
#include "daemon/fleet_registration.h"

#define OVERWRITE_WAIT_MS (60 * 60 * 1000)
#define SERVER_NAME_MAX 63

int
registration_refuse_listed(const struct registration *r, const char *name,
    struct err *e)
{
    err_set(e, ERR_EXISTS, "\"%s\" was added already, as \"%s\"", r->host,
        name);
    err_hint(e,
        "\"lockstep server show %s\" shows it; one that was installed "
        "anew comes back by \"lockstep server trust %s --again\".",
        name, name);
    return -1;
}

/* What was found, against what is known already. */

static int
check_new_node(const struct registration *r, const uint8_t id[ID_SIZE],
    struct err *e)
{
    const struct fleet *fleet = r->fleet;

    if (memcmp(id, fleet->engine->node.id, ID_SIZE) == 0) {
        err_set(e, ERR_IS_SELF, "\"%s\" is this node itself", r->host);
        err_hint(e, "A primary needs no registration with itself.");
        return -1;
    }
    for (size_t i = 0; i < fleet->server_count; i++) {
        const struct server_record *record = &fleet->servers[i]->record;

        if (memcmp(record->node_id, id, ID_SIZE) == 0 &&
            !(r->again && strcmp(record->name, r->name) == 0)) {
            return registration_refuse_listed(r, record->name, e);
        }
    }
    return 0;
}

int
registration_check_name(const struct registration *r, const char *name,
    struct err *e)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)name[i]) && strchr("._-", name[i]) == NULL)
            len = 0;
    }
    if (len == 0 || len > SERVER_NAME_MAX) {
        err_set(e, ERR_INVALID, "\"%s\" cannot name a server", name);
        err_hint(e, "Use 1-63 letters, digits, dots, hyphens or underscores; "
                    "--name gives another name.");
        return -1;
    }
    if (fleet_find(r->fleet, name) != NULL ||
        strcmp(name, r->fleet->engine->node.name) == 0) {
        err_set(e, ERR_EXISTS, "there is a server \"%s\" already", name);
        err_hint(e, "Give another name with --name.");
        return -1;
    }
    return 0;
}

int
registration_facts_node(const json_t *facts, uint8_t id[ID_SIZE],
    const char **name, const char **version, struct err *e)
{
    const json_t *node = json_member(facts, "node");
    const char *text = "";

    *version = "";
    if (json_member_string(node, "id", true, &text, e) != 0 ||
        json_member_string(node, "name", true, name, e) != 0 ||
        json_member_string(node, "version", false, version, e) != 0)
        return -1;
    if (!hex_decode(text, id, ID_SIZE))
        return err_set(e, ERR_PROTOCOL, "its node id is malformed");
    return 0;
}

/* Adding. */

static int
set_cluster_work(struct dataset *ds, void *arg, struct err *e)
{
    const struct node *node = arg;

    return ds->source == NULL
               ? 0
               : source_set_cluster(ds->source, node->cluster, node->epoch, e);
}

static void
set_cluster_done(struct dataset *ds, void *arg, const struct err *e)
{
    (void)arg;
    if (e->code != ERR_NONE)
        events_add(ds->engine->events, "error", "cluster", NULL, ds->name,
            "could not record the cluster: %s", e->message);
}

void
fleet_set_cluster(struct fleet *fleet)
{
    const struct dataset_job job = { set_cluster_work, set_cluster_done,
        &fleet->engine->node };
    struct datasets *datasets = fleet->engine->datasets;

    for (size_t i = 0; i < datasets_count(datasets); i++)
        dataset_run(datasets_at(datasets, i), &job);
}

/* The first add makes a standalone node the primary of a new cluster. */
static int
become_primary(struct registration *r, struct err *e)
{
    struct node *node = &r->fleet->engine->node;

    if (node->role == NODE_PRIMARY)
        return 0;
    random_bytes(node->cluster, ID_SIZE);
    snprintf(node->cluster_name, sizeof(node->cluster_name), "%s",
        r->cluster_name != NULL ? r->cluster_name : node->name);
    node->epoch++;
    node->role = NODE_PRIMARY;
    if (node_save(node, e) != 0) {
        node->role = NODE_STANDALONE;
        return -1;
    }
    fleet_set_cluster(r->fleet);
    events_add(r->fleet->engine->events, "info", "became-primary", NULL, NULL,
        "primary of the new cluster \"%s\"", node->cluster_name);
    return 0;
}

static json_t *
enroll_arguments(const struct registration *r, bool dry_run)
{
    const struct engine *engine = r->fleet->engine;
    const struct node *node = &engine->node;
    char cluster[2 * ID_SIZE + 1];
    char id[2 * ID_SIZE + 1];
    char bundle_key[2 * ED25519_PUBLIC_SIZE + 1];
    char *login = keys_format_line(engine->keys.login_blob,
        engine->keys.login_blob_len, NULL);
    json_t *args;

    hex_encode(node->cluster, ID_SIZE, cluster);
    hex_encode(node->id, ID_SIZE, id);
    hex_encode(engine->keys.bundle_public, ED25519_PUBLIC_SIZE, bundle_key);
    args = json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:b}", "cluster",
        cluster, "cluster_name", node->cluster_name, "epoch",
        (json_int_t)node->epoch, "primary_id", id, "primary_name", node->name,
        "login_key", login, "bundle_key", bundle_key, "fingerprint",
        engine->keys.fingerprint, "dry_run", dry_run);
    free(login);
    return args;
}

static void
add_finish(const struct waiter *w, struct fleet *fleet,
    struct control_call *call, void *arg)
{
    struct server *server = fleet_find(fleet, arg);

    (void)w;
    control_finish(call, server == NULL ? NULL : server_json(server));
    free(arg);
}

static int
add_record(struct registration *r, struct server **serverp, struct err *e)
{
    struct server_record record;
    const char *name = NULL;
    const char *version = NULL;

    memset(&record, 0, sizeof(record));
    if (registration_facts_node(r->facts, record.node_id, &name, &version, e) !=
        0)
        return -1;
    snprintf(record.name, sizeof(record.name), "%s",
        r->name != NULL ? r->name : name);
    snprintf(record.host, sizeof(record.host), "%s", r->host);
    snprintf(record.version, sizeof(record.version), "%s", version);
    record.port = r->port;
    record.host_key = r->host_key;
    record.host_key_len = r->host_key_len;
    record.added_ms = clock_utc_ms();
    if (store_server_save(r->fleet->engine->node.store, &record, e) != 0)
        return -1;
    *serverp = fleet_add_record(r->fleet, &record);
    server_keys_enrolled(*serverp);
    return 0;
}

static void
registration_list(struct registration *r)
{
    struct fleet *fleet = r->fleet;
    struct server *server = NULL;
    struct control_call *call = r->call;
    struct err error = ERR_INIT;

    if (r->again ? registration_enrolled_again(r, &server, &error) != 0
                 : add_record(r, &server, &error) != 0) {
        registration_fail(r, &error);
        return;
    }
    for (size_t i = 0; i < server->lane_count; i++)
        server->lanes[i]->force_overwrite = lane_is_wanted(server->lanes[i]);
    events_add(fleet->engine->events, r->again ? "warning" : "info",
        r->again ? "server-renewed" : "server-added", server->record.name, NULL,
        "%s by %s, key %s", r->again ? "registered again" : "added",
        control_who(call), r->shown);
    if (server_paused(server)) {
        registration_finish(r, server_json(server));
        return;
    }
    registration_step(r, "overwrite", server->record.name);
    fleet_wait(fleet, call, &server, 1, OVERWRITE_WAIT_MS, true, add_finish,
        alloc_string(server->record.name));
    registration_end(r);
    fleet_begin_round(fleet, server);
    fleet_schedule(fleet);
}

/* It belongs to the cluster by now: a filter that stays wide is no reason to
 * leave it out of the list. */
static void
registration_narrowed(void *ctx, const json_t *result, const struct err *e)
{
    struct registration *r = ctx;

    (void)result;
    r->exchange = NULL;
    if (e->code != ERR_NONE)
        events_add(r->fleet->engine->events, "warning", "not-narrowed", r->host,
            NULL, "its filter was not narrowed: %s", e->message);
    registration_list(r);
}

static void
registration_enrolled(void *ctx, const json_t *result, const struct err *e)
{
    struct registration *r = ctx;

    (void)result;
    r->exchange = NULL;
    if (e->code != ERR_NONE) {
        registration_fail(r, e);
    } else if (r->narrow) {
        registration_step(r, "narrow", r->host);
        r->exchange = link_control_run(r->link, "ipfilter narrow", NULL,
            registration_narrowed, r);
    } else {
        registration_list(r);
    }
}

/* Nobody but the node that has the join file knows it. */
static int
check_join(const struct registration *r, struct err *e)
{
    const char *proof = json_string_value(json_member(r->facts, "join_proof"));

    if (r->join_proof == NULL)
        return 0;
    if (proof != NULL && strlen(proof) == strlen(r->join_proof) &&
        bytes_equal_secret(proof, r->join_proof, strlen(proof)))
        return 0;
    err_set(e, ERR_KEY_CHANGED, "\"%s\" does not have the join file", r->host);
    err_hint(e, "Somebody else answers there: look who. Nothing was sent.");
    return -1;
}

static void
registration_have_facts(void *ctx, const json_t *result, const struct err *e)
{
    struct registration *r = ctx;
    struct err error = *e;
    uint8_t id[ID_SIZE];
    const char *name = NULL;
    const char *version = NULL;
    json_t *args;

    r->exchange = NULL;
    if (e->code != ERR_NONE) {
        registration_fail(r, e);
        return;
    }
    r->facts = json_deep_copy(result);
    if (check_join(r, &error) != 0 ||
        registration_facts_node(r->facts, id, &name, &version, &error) != 0 ||
        check_new_node(r, id, &error) != 0 ||
        (!r->again && registration_check_name(r,
                          r->name != NULL ? r->name : name, &error) != 0)) {
        registration_fail(r, &error);
        return;
    }
    json_object_set_new(r->facts, "fingerprint", json_string(r->shown));
    if (r->aim == AIM_FACTS || r->dry_run) {
        registration_finish(r, json_incref(r->facts));
        return;
    }
    if (r->again ? registration_pin_again(r, &error) != 0
                 : become_primary(r, &error) != 0) {
        registration_fail(r, &error);
        return;
    }
    r->enrolling = true;
    registration_step(r, "enroll", name);
    args = enroll_arguments(r, false);
    r->exchange = link_control_run(r->link, "node enroll", args,
        registration_enrolled, r);
    json_decref(args);
}

void
registration_ready(void *ctx)
{
    struct registration *r = ctx;
    json_t *args = enroll_arguments(r, true);

    explicit_bzero(r->password, strlen(r->password));
    r->exchange = link_control_run(r->link, "node enroll", args,
        registration_have_facts, r);
    json_decref(args);
}

/*
 * What a primary has to know before it sends anything: one JSON document.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "daemon/engine.h"
#include "daemon/hooks.h"
#include "daemon/vfs_push.h"

#define DRIFT_KEYS_MAX 10000
#define DRIFT_LIST_MAX 100
/* The document is read by one READ; base64 makes 4 bytes of 3. */
#define DRIFT_KEYS_BYTES ((size_t)128 * 1024)

struct facts {
    struct push_file *f;
    uint32_t tag;
    uint32_t length;
    struct buf keys; /* empty: not known row by row */
    json_t *drift;
};

/* Keys are given only when they are all of them: a repair of some rows would
 * not make the digests equal. */
static int
read_drift(struct dataset *ds, struct facts *facts, struct err *e)
{
    struct replica_status status;
    json_t *list = NULL;

    replica_status(ds->replica, &status);
    if (!status.drifted)
        return 0;
    if (replica_drift(ds->replica, DRIFT_LIST_MAX, NULL, &list, e) != 0)
        return -1;
    json_decref(facts->drift);
    facts->drift = list;
    if (status.needs_overwrite || status.drift_rows == 0 ||
        status.drift_rows > DRIFT_KEYS_MAX)
        return 0;
    if (replica_drift(ds->replica, DRIFT_KEYS_MAX, &facts->keys, NULL, e) != 0)
        return -1;
    if (facts->keys.len > DRIFT_KEYS_BYTES)
        buf_release(&facts->keys);
    return 0;
}

static int
facts_work(struct dataset *ds, void *arg, struct err *e)
{
    return ds->replica != NULL ? read_drift(ds, arg, e) : 0;
}

static void
add_node(json_t *json, const struct engine *engine, uint64_t dataset_epoch)
{
    const struct node *node = &engine->node;
    uint64_t epoch = node->epoch > dataset_epoch ? node->epoch : dataset_epoch;

    json_object_set_new(json, "protocol", json_integer(PUSH_PROTOCOL_VERSION));
    json_object_set_new(json, "node",
        json_pack("{s:o, s:o}", "id", json_hex(node->id, ID_SIZE), "name",
            json_text(node->name)));
    json_object_set_new(json, "version", json_text(LOCKSTEP_VERSION));
    json_object_set_new(json, "role", json_text(node_role_name(node->role)));
    json_object_set_new(json, "cluster",
        node->role == NODE_STANDALONE ? json_null()
                                      : json_hex(node->cluster, ID_SIZE));
    json_object_set_new(json, "epoch", json_integer((json_int_t)epoch));
}

static void
add_dataset(json_t *json, const struct dataset *ds)
{
    const struct dataset_state *state = &ds->view.state;
    const struct replica_status *r = &ds->view.replica;

    json_object_set_new(json, "dataset", json_text(ds->name));
    json_object_set_new(json, "writer", json_hex(state->writer, ID_SIZE));
    json_object_set_new(json, "revision",
        json_integer((json_int_t)state->revision));
    json_object_set_new(json, "digest", json_hex(state->digest.sum, HASH_SIZE));
    json_object_set_new(json, "schema_hash",
        json_hex(state->schema_hash, HASH_SIZE));
    json_object_set_new(json, "rows", json_integer((json_int_t)state->rows));
    json_object_set_new(json, "drifted", json_boolean(r->drifted));
    json_object_set_new(json, "drift_rows",
        json_integer((json_int_t)r->drift_rows));
    json_object_set_new(json, "needs_overwrite",
        json_boolean(r->needs_overwrite));
    json_object_set_new(json, "reason", json_text(r->reason));
    json_object_set_new(json, "blocker",
        json_text(r->blocker[0] != '\0' ? r->blocker : NULL));
    json_object_set_new(json, "drift_hold",
        json_boolean(ds->engine->settings.drift_hold));
    json_object_set_new(json, "verified", json_time(state->verified_ms));
    json_object_set_new(json, "in_effect",
        json_boolean(hooks_in_effect(ds->engine->hooks, ds)));
}

static json_t *
facts_json(struct facts *facts)
{
    const struct push_file *f = facts->f;
    const struct engine *engine = f->ds->engine;
    json_t *json = json_object();
    struct err e = ERR_INIT;
    uint64_t bytes_free = 0;
    char *keys = NULL;

    add_node(json, engine, f->ds->view.state.epoch);
    add_dataset(json, f->ds);
    if (facts->keys.len > 0)
        keys = base64_encode(facts->keys.data, facts->keys.len, true);
    json_object_set_new(json, "drift_keys", json_text(keys));
    json_object_set_new(json, "drift",
        facts->drift != NULL ? facts->drift : json_array());
    facts->drift = NULL;
    if (file_free_bytes(engine->settings.state_dir, &bytes_free, &e) == 0)
        json_object_set_new(json, "disk_free",
            json_integer((json_int_t)bytes_free));
    json_object_set_new(json, "time", json_time(clock_utc_ms()));
    json_object_set_new(json, "peer_address",
        json_text(f->file.session->address));
    free(keys);
    return json;
}

static void
facts_done(struct dataset *ds, void *arg, const struct err *e)
{
    struct facts *facts = arg;
    struct push_file *f = facts->f;
    json_t *json;
    char *text;

    (void)ds;
    if (e->code != ERR_NONE) {
        vfs_reply_error(f->file.session, facts->tag, e);
    } else {
        json = facts_json(facts);
        text = json_write(json);
        json_decref(json);
        buf_clear(&f->facts);
        buf_put(&f->facts, text, strlen(text));
        buf_put_u8(&f->facts, '\n');
        free(text);
        vfs_reply_slice(f->file.session, facts->tag, &f->facts, 0,
            facts->length);
    }
    json_decref(facts->drift);
    buf_release(&facts->keys);
    vfs_file_release(&f->file);
    free(facts);
}

void
push_read_facts(struct push_file *f, uint32_t tag, uint32_t length)
{
    struct facts *facts = alloc_zeroed(1, sizeof(*facts));

    facts->f = f;
    facts->tag = tag;
    facts->length = length;
    vfs_file_hold(&f->file);
    dataset_run(f->ds, &(struct dataset_job){ .work = facts_work,
                           .done = facts_done,
                           .arg = facts });
}

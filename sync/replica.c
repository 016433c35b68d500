/*
 * A replica opened and closed, whom it trusts, what is known of it, and the
 * way back to an ordinary database.
 */
#include "sync/replica.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "sync/open.h"
#include "sync/replica_internal.h"
#include "sync/value.h"

void
replica_notice(struct replica *r, const char *kind, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    if (r->notice == NULL)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    r->notice(r->notice_ctx, kind, text);
}

int
replica_check_sender(const struct replica *r, const char *dataset,
    const uint8_t cluster[ID_SIZE], uint64_t epoch, struct err *e)
{
    uint64_t held = r->epoch > r->state.epoch ? r->epoch : r->state.epoch;

    if (!r->trusted)
        return err_set(e, ERR_ROLE, "this server is not a secondary");
    if (dataset != NULL && strcmp(dataset, r->name) != 0)
        return err_set(e, ERR_INVALID,
            "bundle of dataset \"%s\" sent to dataset \"%s\"", dataset,
            r->name);
    if (memcmp(cluster, r->cluster, ID_SIZE) != 0)
        return err_set(e, ERR_OTHER_CLUSTER,
            "dataset \"%s\" belongs to another cluster", r->name);
    if (epoch < held) {
        err_set(e, ERR_STALE_EPOCH,
            "epoch %llu is older than epoch %llu of dataset \"%s\"",
            (unsigned long long)epoch, (unsigned long long)held, r->name);
        err_hint(e, "Another server was promoted to primary since.");
        return -1;
    }
    return 0;
}

int
replica_open(struct replica **replicap, const struct dataset_config *config,
    struct err *e)
{
    struct replica *r = alloc_zeroed(1, sizeof(*r));

    *replicap = NULL;
    r->name = alloc_string(config->name);
    r->live_path = alloc_string(config->live_path);
    r->work_dir = alloc_string(config->work_dir);
    r->drift_capture = config->drift_capture;
    r->foreign = config->foreign;
    r->notice = config->notice;
    r->let_go = config->let_go;
    r->notice_ctx = config->ctx;
    r->hasher = hasher_new();
    overwrite_remove_staging(r);
    if (exchange_keep_leftover(r, e) != 0) {
        replica_notice(r, "backup", "%.300s", e->message);
        err_clear(e);
    }
    if (live_open(r, e) != 0)
        goto fail;
    if (r->db != NULL && live_read_state(r, e) != 0)
        goto fail;
    *replicap = r;
    return 0;
fail:
    if (e->code == ERR_BUSY)
        blocker_explain(r->live_path, e);
    err_wrap(e, "could not open dataset \"%s\"", config->name);
    replica_close(r);
    return -1;
}

void
replica_close(struct replica *r)
{
    if (r == NULL)
        return;
    replica_overwrite_abort(r);
    live_close(r);
    exchange_forget_replaced(r, true);
    hasher_free(r->hasher);
    buf_release(&r->specials);
    explicit_bzero(r->bundle_key, sizeof(r->bundle_key));
    free(r->name);
    free(r->live_path);
    free(r->work_dir);
    free(r);
}

void
replica_trust(struct replica *r, const uint8_t cluster[ID_SIZE], uint64_t epoch,
    const uint8_t bundle_key[ED25519_PUBLIC_SIZE])
{
    memcpy(r->cluster, cluster, ID_SIZE);
    r->epoch = epoch;
    memcpy(r->bundle_key, bundle_key, ED25519_PUBLIC_SIZE);
    r->has_next_bundle_key = false;
    r->trusted = true;
}

void
replica_trust_next(struct replica *r,
    const uint8_t next_key[ED25519_PUBLIC_SIZE])
{
    r->has_next_bundle_key = next_key != NULL;
    if (next_key != NULL)
        memcpy(r->next_bundle_key, next_key, ED25519_PUBLIC_SIZE);
}

void
replica_status(struct replica *r, struct replica_status *status)
{
    memset(status, 0, sizeof(*status));
    status->state = r->state;
    status->drifted = r->drifted;
    status->drift_rows = r->drift_rows;
    status->needs_overwrite = r->needs_overwrite;
    memcpy(status->reason, r->reason, sizeof(status->reason));
    memcpy(status->blocker, r->blocker, sizeof(status->blocker));
}

static json_t *
show_key(const struct capture_key *k)
{
    char text[512];
    json_t *entry = json_object();

    value_show(k->key, k->key_len, text, sizeof(text));
    json_object_set_new(entry, "table", json_text(k->table->name));
    json_object_set_new(entry, "key", json_text(text));
    return entry;
}

static void
put_key(struct buf *b, const struct capture_key *k)
{
    size_t name_len = strlen(k->table->name);

    buf_put_varint(b, name_len);
    buf_put(b, k->table->name, name_len);
    buf_put_varint(b, k->key_len);
    buf_put(b, k->key, k->key_len);
}

int
replica_drift(struct replica *r, size_t max, struct buf *keys, json_t **list,
    struct err *e)
{
    struct capture_keys found = { 0 };
    size_t count;

    if (replica_examine(r, e) != 0)
        return -1;
    if (r->drifted && r->db != NULL && r->schema != NULL &&
        !r->needs_overwrite && replica_read_journal(r, &found, e) != 0)
        return -1;
    count = found.count < max ? found.count : max;
    if (keys != NULL) {
        buf_put_varint(keys, count);
        for (size_t i = 0; i < count; i++)
            put_key(keys, &found.items[i]);
    }
    if (list != NULL) {
        *list = json_array();
        for (size_t i = 0; i < count; i++)
            json_array_append_new(*list, show_key(&found.items[i]));
    }
    capture_keys_release(&found);
    return 0;
}

int
replica_detach(struct replica *r, struct err *e)
{
    if (r->db == NULL)
        return 0;
    if (capture_remove(r->db, e) != 0 || state_remove(r->db, e) != 0)
        return err_wrap(e, "could not detach dataset \"%s\"", r->name);
    memset(&r->state, 0, sizeof(r->state));
    r->trusted = false;
    r->suspect = true;
    replica_mark_equal(r);
    return 0;
}

int
replica_copy(struct replica *r, const char *path, struct err *e)
{
    if (r->db == NULL)
        return err_set(e, ERR_NOT_FOUND, "dataset \"%s\": %s", r->name,
            r->reason);
    if (live_copy(r, path, e) != 0)
        return err_wrap(e, "could not copy dataset \"%s\"", r->name);
    return 0;
}

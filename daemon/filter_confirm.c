/*
 * The one change that waits: in the store as value "filter.unconfirmed", with a
 * timer here.
 */
#include "daemon/filter_confirm.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/datasets.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/filter.h"
#include "daemon/filter_rules.h"
#include "daemon/filter_undo.h"
#include "daemon/fleet.h"
#include "daemon/store.h"
#include "sync/open.h"

#define VALUE "filter.unconfirmed"
#define WAIT_MS 2000
#define RETRY_MS 1000 /* while a database is locked by another program */

struct filter_confirm {
    struct engine *engine;
    uv_timer_t *timer;
    json_t *undo; /* NULL: none waits */
    bool cluster;
    int64_t until_ms;
};

static void revert(uv_timer_t *timer);

static void
free_timer(uv_handle_t *handle)
{
    free(handle);
}

void
filter_confirm_drop(struct filter_confirm *c)
{
    uv_timer_stop(c->timer);
    json_decref(c->undo);
    c->undo = NULL;
    c->until_ms = 0;
}

static void
report(struct filter_confirm *c, const struct err *e)
{
    if (e->code != ERR_NONE) {
        log_warning("an unconfirmed change of the filter is not taken back "
                    "yet: %s",
            e->message);
        uv_timer_start(c->timer, revert, RETRY_MS, 0);
        return;
    }
    filter_confirm_drop(c);
    filter_reload(c->engine->filter);
    events_add(c->engine->events, "warning", "reverted", NULL, NULL,
        "a change of the filter was not confirmed in time, and is taken back");
}

/* In the store's transaction, together with forgetting it. */
static int
revert_local(struct filter_confirm *c, struct err *e)
{
    struct store *store = c->engine->node.store;

    if (store_begin(store, e) != 0)
        return -1;
    if (filter_undo_run(store_database(store), FILTER_LOCAL_TABLE, c->undo,
            e) == 0 &&
        store_delete(store, VALUE, e) == 0 && store_commit(store, e) == 0)
        return 0;
    store_rollback(store);
    return -1;
}

static int
cluster_work(struct dataset *ds, void *arg, struct err *e)
{
    sqlite3 *db = NULL;
    int r = -1;

    if (database_open(&db, ds->live_path, OPEN_WRITE, WAIT_MS, e) != 0)
        return -1;
    if (database_exec(db, "BEGIN IMMEDIATE", e) == 0 &&
        filter_undo_run(db, FILTER_CLUSTER_TABLE, arg, e) == 0 &&
        database_exec(db, "COMMIT", e) == 0)
        r = 0;
    else
        database_rollback(db);
    database_close(db);
    return r;
}

static void
cluster_done(struct dataset *ds, void *arg, const struct err *failure)
{
    struct engine *engine = ds->engine;
    struct filter_confirm *c = engine->filter_confirm;
    struct err e = *failure;

    json_decref(arg);
    if (c == NULL || c->undo == NULL)
        return;
    if (e.code == ERR_NONE)
        store_delete(engine->node.store, VALUE, &e);
    report(c, &e);
    if (e.code == ERR_NONE && engine->fleet != NULL)
        fleet_changed(engine->fleet, ds->name);
}

static void
revert(uv_timer_t *timer)
{
    struct filter_confirm *c = timer->data;
    struct err e = ERR_INIT;

    if (c->cluster) {
        dataset_run(datasets_find(c->engine->datasets, "config"),
            &(struct dataset_job){ .work = cluster_work,
                .done = cluster_done,
                .arg = json_incref(c->undo) });
        return;
    }
    if (revert_local(c, &e) == 0)
        err_clear(&e);
    report(c, &e);
}

/* What a stop or a crash left unconfirmed. */
static int
load(struct filter_confirm *c, struct err *e)
{
    uint8_t *text = NULL;
    json_t *json;
    size_t len;

    if (store_get(c->engine->node.store, VALUE, &text, &len, e) != 0)
        return -1;
    json = text != NULL ? json_loadb((const char *)text, len, 0, NULL) : NULL;
    free(text);
    c->undo = json_incref(json_object_get(json, "undo"));
    c->cluster = json_is_true(json_object_get(json, "cluster"));
    json_decref(json);
    if (c->undo != NULL) {
        c->until_ms = clock_utc_ms();
        uv_timer_start(c->timer, revert, 0, 0);
    }
    return 0;
}

int
filter_confirm_open(struct filter_confirm **confirm, struct engine *engine,
    struct err *e)
{
    struct filter_confirm *c = alloc_zeroed(1, sizeof(*c));

    c->engine = engine;
    c->timer = alloc_zeroed(1, sizeof(*c->timer));
    uv_timer_init(engine->loop, c->timer);
    c->timer->data = c;
    *confirm = c;
    return load(c, e);
}

void
filter_confirm_close(struct filter_confirm *c)
{
    if (c == NULL)
        return;
    uv_close((uv_handle_t *)c->timer, free_timer);
    json_decref(c->undo);
    free(c);
}

int
filter_confirm_free(const struct filter_confirm *c, struct err *e)
{
    if (c->undo == NULL)
        return 0;
    err_set(e, ERR_BUSY, "another change of the filter waits to be confirmed");
    err_hint(e, "\"lockstep ipfilter confirm\" keeps it; else wait until it "
                "is taken back.");
    return -1;
}

int
filter_confirm_begin(struct filter_confirm *c, bool cluster, json_t *undo,
    int64_t seconds, struct err *e)
{
    json_t *json = json_pack("{s:o,s:b}", "undo", undo, "cluster", cluster);
    char *text = json_dumps(json, JSON_COMPACT);
    int r = filter_confirm_free(c, e);

    if (r == 0)
        r = store_put(c->engine->node.store, VALUE, text, strlen(text), e);
    if (r == 0) {
        c->undo = json_incref(undo);
        c->cluster = cluster;
        c->until_ms = clock_utc_ms() + seconds * 1000;
        uv_timer_start(c->timer, revert, (uint64_t)seconds * 1000, 0);
    }
    free(text);
    json_decref(json);
    return r;
}

int
filter_confirm_keep(struct filter_confirm *c, struct err *e)
{
    if (c->undo == NULL) {
        err_set(e, ERR_NOT_FOUND, "no change of the filter waits");
        err_hint(e, "It may have been taken back; see \"lockstep events\".");
        return -1;
    }
    if (store_delete(c->engine->node.store, VALUE, e) != 0)
        return -1;
    filter_confirm_drop(c);
    return 0;
}

int64_t
filter_confirm_until(const struct filter_confirm *c)
{
    return c->until_ms;
}

/*
 * A dataset as the JSON of the command line shows it.
 */
#include "base/json.h"
#include "daemon/datasets.h"

static void
add_replica(json_t *json, const struct dataset_view *view)
{
    const struct replica_status *r = &view->replica;
    const char *reason =
        r->blocker[0] != '\0' && r->reason[0] == '\0' ? r->blocker : r->reason;

    json_object_set_new(json, "drifted", json_boolean(r->drifted));
    json_object_set_new(json, "drift_rows",
        json_integer((json_int_t)r->drift_rows));
    json_object_set_new(json, "needs_overwrite",
        json_boolean(r->needs_overwrite));
    json_object_set_new(json, "reason",
        json_text(reason[0] != '\0' ? reason : NULL));
    json_object_set_new(json, "blocker",
        json_text(r->blocker[0] != '\0' ? r->blocker : NULL));
}

json_t *
dataset_json(const struct dataset *ds)
{
    const struct dataset_view *view = &ds->view;
    const struct dataset_state *state = &view->state;
    json_t *json = json_object();

    json_object_set_new(json, "name", json_text(ds->name));
    json_object_set_new(json, "epoch", json_integer((json_int_t)state->epoch));
    json_object_set_new(json, "revision",
        json_integer((json_int_t)state->revision));
    json_object_set_new(json, "digest",
        json_hex(state->digest.sum, sizeof(state->digest.sum)));
    json_object_set_new(json, "rows", json_integer((json_int_t)state->rows));
    json_object_set_new(json, "bytes", json_integer((json_int_t)view->bytes));
    json_object_set_new(json, "last_change", json_time(state->changed_ms));
    json_object_set_new(json, "unpublished", json_boolean(view->unpublished));
    json_object_set_new(json, "held",
        json_text(view->held[0] != '\0' ? view->held : NULL));
    if (ds->replica != NULL)
        add_replica(json, view);
    return json;
}

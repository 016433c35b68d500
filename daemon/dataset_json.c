/*
 * A dataset as the JSON of the command line shows it.
 */
#include "base/json.h"
#include "daemon/datasets_internal.h"
#include "daemon/engine.h"

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

static const char *
state_name(const struct dataset_view *view)
{
    if (view->opening)
        return "opening";
    if (view->error.code != ERR_NONE)
        return "error";
    if (view->off)
        return "off";
    if (view->held[0] != '\0')
        return "held";
    return view->replica.drifted ? "drifted" : "ready";
}

/* One that is configured, and not in use until it is attached again. */
static json_t *
detached_json(const struct dataset_settings *own)
{
    return json_pack("{s:s, s:i, s:i, s:n, s:i, s:i, s:n, s:b, s:n, s:s, s:s, "
                     "s:n}",
        "name", own->name, "epoch", 0, "revision", 0, "digest", "rows", 0,
        "bytes", 0, "last_change", "unpublished", 0, "held", "state",
        "detached", "path", own->path, "error");
}

json_t *
datasets_json(const struct datasets *d)
{
    const struct settings *s = &d->engine->settings;
    json_t *list = json_array();

    for (size_t i = 0; i < datasets_count(d); i++)
        json_array_append_new(list, dataset_json(datasets_at(d, i)));
    for (size_t i = 0; i < s->dataset_count; i++) {
        if (datasets_find(d, s->datasets[i].name) == NULL)
            json_array_append_new(list, detached_json(&s->datasets[i]));
    }
    return list;
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
    json_object_set_new(json, "state", json_text(state_name(view)));
    json_object_set_new(json, "path", json_text(ds->live_path));
    json_object_set_new(json, "error",
        view->error.code != ERR_NONE ? json_error(&view->error) : json_null());
    if (ds->replica != NULL)
        add_replica(json, view);
    return json;
}

/*
 * Differences handed to the caller of a command: found on the strand of their
 * dataset, masked, gathered in a spool, and read from there as fast as the
 * caller takes them.
 */
#include "daemon/control_diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "daemon/config_secrets.h"
#include "daemon/diff_lines.h"
#include "daemon/engine.h"

struct diff_run {
    struct control_call *call;
    struct engine *engine;
    struct diff_units units;
    enum diff_answer answer;
    size_t at; /* the unit under way */
    uint64_t limit;
    /* The unit under way, while its job runs on the strand only. */
    struct diff_lines lines;
    char *extra_secrets; /* of the dataset's settings, which may be reloaded */
    struct diff_summary summary;
};

struct diff_unit *
diff_units_add(struct diff_units *units)
{
    struct diff_unit *unit;

    units->items =
        alloc_resize(units->items, units->count + 1, sizeof(*units->items));
    unit = &units->items[units->count++];
    memset(unit, 0, sizeof(*unit));
    return unit;
}

void
diff_units_release(struct diff_units *units)
{
    for (size_t i = 0; i < units->count; i++)
        buf_release(&units->items[i].drifted);
    free(units->items);
    *units = (struct diff_units){ 0 };
}

static struct diff_unit *
unit_now(struct diff_run *run)
{
    return &run->units.items[run->at];
}

static json_t *
unit_json(const struct diff_unit *unit)
{
    json_t *json = json_pack("{s:s}", "dataset", unit->dataset);

    if (unit->kind == DIFF_SERVER)
        json_object_set_new(json, "server", json_text(unit->server));
    return json;
}

/* What each line of rows begins with: the unit without its closing brace. */
static char *
line_head(const struct diff_unit *unit)
{
    json_t *json = unit_json(unit);
    char *text = json_write(json);
    char *head = alloc_format("{\"progress\": %.*s, \"rows\": [",
        (int)strlen(text) - 1, text);

    free(text);
    json_decref(json);
    return head;
}

/* One unit, from its beginning on the strand to its last line. */

static int
work_unpublished(struct diff_run *run, struct source *source,
    const struct diff_sink *sink, struct err *e)
{
    return source_preview(source, sink, &run->summary, e);
}

static int
work_server(struct diff_run *run, struct source *source,
    const struct diff_sink *sink, struct err *e)
{
    struct diff_unit *unit = unit_now(run);

    if (unit->as_of_ms != 0 && source_revision_at(source, unit->as_of_ms,
                                   &unit->revision, &unit->digest, e) != 0)
        return -1;
    if (unit->why_whole[0] != '\0') {
        struct dataset_state state;

        source_state(source, &state);
        run->summary = (struct diff_summary){ .whole = true,
            .total = state.rows,
            .from_revision = unit->revision,
            .to_revision = state.revision };
        snprintf(run->summary.why, sizeof(run->summary.why), "%s",
            unit->why_whole);
        return 0;
    }
    if (source_difference(source, unit->revision, &unit->digest, sink,
            &run->summary, e) != 0)
        return -1;
    if (unit->drifted.len == 0)
        return 0;
    run->lines.in_drift = true;
    return source_published_rows(source, unit->drifted.data, unit->drifted.len,
        sink, e);
}

static int
work_revision(struct diff_run *run, struct source *source,
    const struct diff_sink *sink, struct err *e)
{
    return source_show(source, unit_now(run)->revision, sink, &run->summary, e);
}

static int
unit_work(struct dataset *ds, void *arg, struct err *e)
{
    static int (*const kinds[])(struct diff_run *, struct source *,
        const struct diff_sink *, struct err *) = {
        [DIFF_UNPUBLISHED] = work_unpublished,
        [DIFF_SERVER] = work_server,
        [DIFF_REVISION] = work_revision,
    };
    struct diff_run *run = arg;
    const struct change_secrets secrets = config_secrets(run->extra_secrets);
    char *head = line_head(unit_now(run));
    struct diff_sink sink;
    int r = diff_lines_open(&run->lines, ds->work_dir, head, &secrets,
        run->limit, e);

    free(head);
    if (r != 0)
        return -1;
    sink = diff_lines_sink(&run->lines);
    if (kinds[unit_now(run)->kind](run, ds->source, &sink, e) != 0)
        return -1;
    return diff_lines_end(&run->lines, e);
}

/* What the unit came to; the entry of history comes first, if there is one. */
static json_t *
summary_json(struct diff_run *run, const struct dataset *ds)
{
    const struct diff_unit *unit = unit_now(run);
    const struct diff_summary *s = &run->summary;
    const struct diff_counts *n = &run->lines.counts;
    json_t *json = unit_json(unit);

    if (s->entry != NULL) {
        json_object_update(json, s->entry);
        json_object_set(json, "row_count", json_object_get(s->entry, "rows"));
        json_object_del(json, "rows");
    }
    json_object_update_new(json,
        json_pack("{s:I, s:I, s:I, s:b, s:o}", "from_revision",
            (json_int_t)s->from_revision, "to_revision",
            (json_int_t)s->to_revision, "statements", (json_int_t)n->statements,
            "whole", s->whole ? 1 : 0, "why",
            s->whole ? json_text(s->why) : json_null()));
    if (!s->whole || s->counted)
        json_object_update_new(json,
            json_pack("{s:I, s:I, s:I, s:I}", "added", (json_int_t)n->added,
                "changed", (json_int_t)n->changed, "removed",
                (json_int_t)n->removed, "more",
                (json_int_t)s->more + (json_int_t)n->more));
    if (s->total > 0)
        json_object_set_new(json, "total", json_integer((json_int_t)s->total));
    if (unit->kind == DIFF_SERVER)
        json_object_update_new(json,
            json_pack("{s:I, s:o}", "drifted", (json_int_t)n->drifted, "as_of",
                json_time(unit->as_of_ms)));
    if (unit->kind == DIFF_UNPUBLISHED)
        json_object_set_new(json, "held",
            ds->view.held[0] != '\0' ? json_text(ds->view.held) : json_null());
    return json;
}

static void
run_free(struct diff_run *run)
{
    diff_units_release(&run->units);
    free(run->extra_secrets);
    free(run);
}

static void unit_start(struct diff_run *run);

static void
unit_release(struct diff_run *run)
{
    diff_lines_close(&run->lines);
    json_decref(run->summary.entry);
    run->summary.entry = NULL;
}

static void
unit_end(struct diff_run *run)
{
    const struct dataset *ds =
        datasets_find(run->engine->datasets, unit_now(run)->dataset);
    json_t *summary = summary_json(run, ds);

    unit_release(run);
    if (run->answer == DIFF_ONE) {
        control_finish(run->call, summary);
        run_free(run);
        return;
    }
    control_progress(run->call, json_pack("{s:o}", "summary", summary));
    run->at++;
    unit_start(run);
}

static void
run_fail(struct diff_run *run, const struct err *e)
{
    unit_release(run);
    control_fail(run->call, e);
    run_free(run);
}

/* Hands lines out while the caller keeps up. */
static void
unit_send(void *arg)
{
    struct diff_run *run = arg;
    struct err e = ERR_INIT;
    char piece[65536];
    size_t got;

    for (;;) {
        if (!control_has_room(run->call, unit_send, run))
            return;
        if (diff_spool_take(&run->lines.spool, piece, sizeof(piece), &got,
                &e) != 0) {
            run_fail(run, &e);
            return;
        }
        if (got == 0)
            break;
        control_lines(run->call, piece, got);
    }
    unit_end(run);
}

static void
unit_done(struct dataset *ds, void *arg, const struct err *e)
{
    struct diff_run *run = arg;

    (void)ds;
    if (e->code != ERR_NONE)
        run_fail(run, e);
    else
        unit_send(run);
}

static void
unit_start(struct diff_run *run)
{
    const struct dataset_settings *own;
    struct dataset *ds;

    while (run->at < run->units.count) {
        ds = datasets_find(run->engine->datasets, unit_now(run)->dataset);
        if (ds != NULL) {
            own = settings_find_dataset(&run->engine->settings, ds->name);
            free(run->extra_secrets);
            run->extra_secrets =
                alloc_string(own != NULL ? own->secrets : NULL);
            run->lines.spool.fd = -1;
            dataset_run_on(ds, DATASET_SOURCE,
                &(struct dataset_job){ .work = unit_work,
                    .done = unit_done,
                    .arg = run });
            return;
        }
        run->at++;
    }
    control_finish(run->call, NULL);
    run_free(run);
}

void
diff_run(struct control_call *call, struct diff_units *units,
    enum diff_answer answer)
{
    struct diff_run *run;
    int64_t limit = DIFF_ROWS_MAX;
    struct err e = ERR_INIT;

    if (json_member_int(control_args(call), "limit", false, &limit, &e) == 0 &&
        (limit < 0 || limit > DIFF_ROWS_MAX))
        err_set(&e, ERR_INVALID, "a limit of %lld is out of range 0 to %d",
            (long long)limit, DIFF_ROWS_MAX);
    if (e.code != ERR_NONE) {
        diff_units_release(units);
        control_fail(call, &e);
        return;
    }
    run = alloc_zeroed(1, sizeof(*run));
    run->limit = (uint64_t)limit;
    run->call = call;
    run->engine = control_engine(call);
    run->units = *units;
    run->answer = answer;
    *units = (struct diff_units){ 0 };
    unit_start(run);
}

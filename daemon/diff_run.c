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
#include "base/escape.h"
#include "base/json.h"
#include "daemon/config_secrets.h"
#include "daemon/diff_spool.h"
#include "daemon/engine.h"

/* Rows are gathered into lines of about this size. */
#define LINE_BYTES 16384
/* Of a statement that is shown. */
#define SQL_SHOWN 2000

struct diff_run {
    struct control_call *call;
    struct engine *engine;
    struct diff_units units;
    enum diff_answer answer;
    size_t at; /* the unit under way */
    struct diff_spool spool;
    /* The unit under way, while its job runs on the strand only. */
    struct change_secrets secrets;
    char *extra_secrets; /* of the dataset's settings, which may be reloaded */
    struct buf line;     /* begun, without its end */
    size_t line_rows;
    struct err line_error;
    uint64_t added, changed, removed, drifted, statements;
    bool in_drift;
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

/* Lines of rows, on the strand. */

static json_t *
unit_json(const struct diff_unit *unit)
{
    json_t *json = json_pack("{s:s}", "dataset", unit->dataset);

    if (unit->kind == DIFF_SERVER)
        json_object_set_new(json, "server", json_text(unit->server));
    return json;
}

static int
end_line(struct diff_run *run, struct err *e)
{
    int r;

    if (run->line_rows == 0)
        return 0;
    buf_printf(&run->line, "]}}\n");
    r = diff_spool_put(&run->spool, run->line.data, run->line.len, e);
    buf_clear(&run->line);
    run->line_rows = 0;
    return r;
}

/* Takes ROW over. */
static int
put_row(struct diff_run *run, json_t *row, struct err *e)
{
    json_t *unit;
    char *text;

    if (run->line_rows == 0) {
        unit = unit_json(unit_now(run));
        text = json_write(unit);
        json_decref(unit);
        /* Without its closing brace: the rows follow. */
        buf_printf(&run->line, "{\"progress\": %.*s, \"rows\": [",
            (int)strlen(text) - 1, text);
        free(text);
    }
    text = json_write(row);
    json_decref(row);
    buf_printf(&run->line, "%s%s", run->line_rows++ > 0 ? ", " : "", text);
    free(text);
    return run->line.len < LINE_BYTES ? 0 : end_line(run, e);
}

/* A statement without what stands between its quotes, if it has to do with
 * secrets. */
static char *
shown_sql(const struct change_secrets *secrets, const char *sql, size_t len)
{
    char shown[SQL_SHOWN + 1];
    struct buf text = BUF_INIT;
    bool hide = secrets->statement(secrets->ctx, sql, len);
    bool inside = false;
    size_t n;

    for (size_t i = 0; i < len && text.len < SQL_SHOWN; i++) {
        if (sql[i] == '\'')
            inside = !inside;
        if (!hide || !inside || sql[i] == '\'')
            buf_put_u8(&text, (uint8_t)sql[i]);
        else if (sql[i - 1] == '\'')
            buf_printf(&text, "...");
    }
    escape_text((const char *)text.data, text.len, shown, sizeof(shown));
    buf_release(&text);
    n = strlen(shown);
    return alloc_format("%s%s", shown, n >= SQL_SHOWN - 1 ? "..." : "");
}

static void
take_statement(void *ctx, char op, const char *sql, size_t len)
{
    struct diff_run *run = ctx;
    char name[2] = { op, '\0' };
    char *text = shown_sql(&run->secrets, sql, len);

    run->statements++;
    put_row(run, json_pack("{s:s, s:s}", "op", name, "schema", text),
        &run->line_error);
    free(text);
}

/* A drifted key, with the row as it is published. */
static json_t *
drifted_json(struct diff_run *run, const struct change *c,
    const struct shape *shape)
{
    json_t *row = change_key_json(c->table, c->old_key, c->old_key_len, shape,
        &run->secrets);

    run->drifted++;
    json_object_set_new(row, "op", json_string(c->new_row != NULL ? "~" : "-"));
    json_object_set_new(row, "drifted", json_true());
    return row;
}

static int
take_change(void *ctx, const struct change *c, const struct shape *old,
    const struct shape *new, struct err *e)
{
    struct diff_run *run = ctx;

    if (run->line_error.code != ERR_NONE) {
        *e = run->line_error;
        return -1;
    }
    if (run->in_drift)
        return put_row(run, drifted_json(run, c, new), e);
    run->added += c->old_row == NULL;
    run->removed += c->new_row == NULL;
    run->changed += c->old_row != NULL && c->new_row != NULL;
    return put_row(run, change_json(c, old, new, &run->secrets), e);
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
    run->in_drift = true;
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
    const struct diff_sink sink = { take_statement, take_change, run };

    run->secrets = config_secrets(run->extra_secrets);
    err_clear(&run->line_error);
    run->added = run->changed = run->removed = 0;
    run->drifted = run->statements = 0;
    run->in_drift = false;
    if (diff_spool_open(&run->spool, ds->work_dir, e) != 0 ||
        kinds[unit_now(run)->kind](run, ds->source, &sink, e) != 0)
        return -1;
    if (run->line_error.code != ERR_NONE) {
        *e = run->line_error;
        return -1;
    }
    return end_line(run, e) != 0 ? -1 : diff_spool_flush(&run->spool, e);
}

/* What the unit came to; the entry of history comes first, if there is one. */
static json_t *
summary_json(struct diff_run *run, const struct dataset *ds)
{
    const struct diff_unit *unit = unit_now(run);
    const struct diff_summary *s = &run->summary;
    json_t *json = unit_json(unit);

    if (s->entry != NULL) {
        json_object_update(json, s->entry);
        json_object_set(json, "row_count", json_object_get(s->entry, "rows"));
        json_object_del(json, "rows");
    }
    json_object_update_new(json,
        json_pack("{s:I, s:I, s:I, s:b, s:o}", "from_revision",
            (json_int_t)s->from_revision, "to_revision",
            (json_int_t)s->to_revision, "statements",
            (json_int_t)run->statements, "whole", s->whole ? 1 : 0, "why",
            s->whole ? json_text(s->why) : json_null()));
    if (!s->whole)
        json_object_update_new(json,
            json_pack("{s:I, s:I, s:I, s:I}", "added", (json_int_t)run->added,
                "changed", (json_int_t)run->changed, "removed",
                (json_int_t)run->removed, "more", (json_int_t)s->more));
    if (unit->kind == DIFF_SERVER)
        json_object_update_new(json,
            json_pack("{s:I, s:o}", "drifted", (json_int_t)run->drifted,
                "as_of", json_time(unit->as_of_ms)));
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
    diff_spool_close(&run->spool);
    buf_release(&run->line);
    run->line_rows = 0;
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
        if (diff_spool_take(&run->spool, piece, sizeof(piece), &got, &e) != 0) {
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
            run->spool.fd = -1;
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
    struct diff_run *run = alloc_zeroed(1, sizeof(*run));

    run->call = call;
    run->engine = control_engine(call);
    run->units = *units;
    run->answer = answer;
    *units = (struct diff_units){ 0 };
    unit_start(run);
}

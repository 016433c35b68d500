/*
 * Changed rows, as lines; Enter shows one with a column to a line.
 */
#include "manager-tui/view_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "manager-tui/changes.h"
#include "manager-tui/form.h"
#include "manager-tui/screen_list.h"

/* More are counted, not kept. */
#define ROWS_KEPT 20000

struct state {
    struct screen_list list;
    json_t *rows;    /* what has come: {n, op, line, row} */
    size_t count;    /* rows that came */
    json_t *summary; /* NULL: more may come */
    bool asked;
    bool arranged; /* the list has all that came */
};

static enum style
op_style(const json_t *row)
{
    const char *op = json_string_value(json_object_get(row, "op"));

    return op == NULL     ? STYLE_PLAIN
           : op[0] == '+' ? STYLE_GOOD
           : op[0] == '-' ? STYLE_BAD
                          : STYLE_WARN;
}

static const struct list_column columns[] = {
    { { "CHANGE", "line", COLUMN_TEXT, true }, 0, op_style, NULL },
    LIST_COLUMNS_END,
};

static const struct list_spec spec = {
    .columns = columns,
    .key = "n",
    .empty = "No row.",
};

static void
open_view(struct screen *s)
{
    struct state *state = s->state;

    state->rows = json_array();
}

static void
close_view(struct screen *s)
{
    struct state *state = s->state;

    json_decref(state->rows);
    json_decref(state->summary);
}

/* What is asked is what the screen is about. */
static void
refresh(struct screen *s)
{
    struct state *state = s->state;
    json_t *asked;
    const char *command;

    if (state->asked)
        return;
    state->asked = true;
    asked = json_loads(s->subject, 0, NULL);
    command = json_object_get(asked, "revision") != NULL ? "dataset show"
                                                         : "dataset diff";
    screen_ask_long(s, command, asked, 0);
}

static void
take_row(struct state *state, json_t *row)
{
    struct buf line = BUF_INIT;
    json_t *kept;

    if (state->count++ >= ROWS_KEPT)
        return;
    change_line(row, &line);
    /* Without the end of the line. */
    kept = json_pack("{s:I, s:O?, s:s#, s:O}", "n", (json_int_t)state->count,
        "op", json_object_get(row, "op"), "line", (const char *)line.data,
        (int)(line.len > 0 ? line.len - 1 : 0), "row", row);
    buf_release(&line);
    if (kept != NULL)
        json_array_append_new(state->rows, kept);
}

static void
answer(struct screen *s, unsigned tag, const json_t *result,
    const struct err *error)
{
    struct state *state = s->state;
    const json_t *rows = json_object_get(result, "rows");
    json_t *row;
    size_t i;

    (void)tag;
    if (error->code != ERR_NONE)
        return;
    state->arranged = false;
    if (json_is_array(rows)) {
        json_array_foreach (rows, i, row)
            take_row(state, row);
        return;
    }
    json_decref(state->summary);
    state->summary = json_incref((json_t *)result);
}

static void
draw_above(const struct screen *s, const struct state *state, struct area area)
{
    struct buf text = BUF_INIT;

    if (state->summary != NULL)
        change_summary(state->summary, &text);
    else if (s->error.code == ERR_NONE)
        buf_printf(&text, "Looking: %zu rows so far", state->count);
    buf_put_u8(&text, 0);
    area_put_wrapped(area, 0, 0, STYLE_STRONG, (const char *)text.data);
    if (state->count > ROWS_KEPT)
        area_putf(area, area.height - 1, 0, STYLE_WARN,
            "The first %d of %zu rows.", ROWS_KEPT, state->count);
    buf_release(&text);
}

static void
draw(struct screen *s, struct area area)
{
    struct state *state = s->state;
    int above = area.width < 120 ? 3 : 2;

    if (!state->arranged && (state->count > 0 || state->summary != NULL))
        list_take(&state->list, state->rows, -1);
    state->arranged = true;
    draw_above(s, state, area_part(area, 0, 0, above, area.width));
    list_draw(&state->list, s,
        area_part(area, above, 0, area.height, area.width));
}

/* One row with every column on a line of its own. */
static void
enter(struct screen *s)
{
    const json_t *row = json_object_get(list_current(list_of(s)), "row");
    json_t *one = json_deep_copy(row), *all, *column;
    struct buf text = BUF_INIT;
    const char *name;

    all = json_incref(json_object_get(one, "columns"));
    json_object_del(one, "columns");
    change_line(one, &text);
    json_object_foreach (all, name, column) {
        json_t *line = json_pack("{s:s, s:s, s:{s:O}}", "op", " ", "table", "",
            "columns", name, column);

        change_line(line, &text);
        json_decref(line);
    }
    buf_put_u8(&text, 0);
    form_message(s, "A changed row", (const char *)text.data);
    buf_release(&text);
    json_decref(all);
    json_decref(one);
}

static void
key_again(struct screen *s)
{
    struct state *state = s->state;

    if (s->waiting > 0)
        return;
    json_decref(state->rows);
    json_decref(state->summary);
    state->rows = json_array();
    state->summary = NULL;
    state->count = 0;
    state->asked = false;
    state->arranged = false;
    screen_refresh(s);
}

static const struct key_binding keys[] = {
    { { PRESS_F(5), 'r' }, "Again", "look again", KEY_ALWAYS, key_again },
    KEYS_END,
};

static const struct screen_view view_rows = {
    .name = "rows",
    .title = "Changed rows",
    .rows = &spec,
    .state_size = sizeof(struct state),
    .keys = keys,
    .open = open_view,
    .close = close_view,
    .refresh = refresh,
    .answer = answer,
    .draw = draw,
    .enter = enter,
};

static void
show(struct screen *s, json_t *about)
{
    char *subject = json_dumps(about, JSON_COMPACT);

    screen_push(s, &view_rows, subject);
    free(subject);
    json_decref(about);
}

void
rows_show_revision(struct screen *s, const char *dataset, int64_t revision)
{
    show(s, json_pack("{s:s, s:I}", "name", dataset, "revision",
                (json_int_t)revision));
}

void
rows_show_unpublished(struct screen *s, const char *dataset)
{
    show(s, json_pack("{s:s}", "name", dataset));
}

void
rows_show_server(struct screen *s, const char *dataset, const char *server)
{
    show(s, json_pack("{s:s, s:s}", "name", dataset, "server", server));
}

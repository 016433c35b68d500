/*
 * Events: what happened, the newest first; follows as it happens.  After the
 * first answer only what is new is asked for.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "manager-tui/form.h"
#include "manager-tui/screen_list.h"
#include "manager-tui/view.h"
#include "manager-tui/views.h"

#define EVENTS_FIRST 500
#define EVENTS_KEPT 2000

struct state {
    struct screen_list list;
    json_t *events;  /* the newest first */
    bool own;        /* only what this node itself saw */
    bool still;      /* does not follow */
    json_int_t seen; /* the highest seq */
};

static enum style
level_style(const json_t *row)
{
    const char *level = json_string_value(json_object_get(row, "level"));

    if (level != NULL && strcmp(level, "error") == 0)
        return STYLE_BAD;
    return level != NULL && strcmp(level, "warning") == 0 ? STYLE_WARN
                                                          : STYLE_PLAIN;
}

static const struct list_column columns[] = {
    { { "TIME", "time", COLUMN_AGE, false }, 0, NULL, NULL },
    { { "LEVEL", "level", COLUMN_TEXT, false }, 1, level_style, NULL },
    { { "KIND", "kind", COLUMN_TEXT, false }, 3, NULL, NULL },
    { { "SERVER", "server", COLUMN_TEXT, true }, 2, NULL, NULL },
    { { "DATASET", "dataset", COLUMN_TEXT, false }, 4, NULL, NULL },
    { { "TEXT", "text", COLUMN_TEXT, true }, 0, NULL, NULL },
    LIST_COLUMNS_END,
};

static const struct list_spec spec = { .columns = columns,
    .key = "seq",
    .empty = "No events." };

static void
open_view(struct screen *s)
{
    struct state *state = s->state;

    state->events = json_array();
}

static void
close_view(struct screen *s)
{
    struct state *state = s->state;

    json_decref(state->events);
}

static void
refresh(struct screen *s)
{
    struct state *state = s->state;
    const json_t *newest = json_array_get(state->events, 0);
    json_t *args = json_pack("{s:i}", "limit", EVENTS_FIRST);

    if (newest != NULL)
        json_object_set(args, "since", json_object_get(newest, "time"));
    screen_ask(s, "events list", args, 0);
}

/* About a server, or seen by one: not this node's own affairs. */
static bool
is_own(const json_t *event)
{
    return view_member(event, "server") == NULL;
}

static void
show(struct screen *s)
{
    struct state *state = s->state;
    json_t *rows = json_array(), *event;
    size_t i;

    json_array_foreach (state->events, i, event)
        if (!state->own || is_own(event))
            json_array_append(rows, event);
    /* Who follows stays with the newest. */
    if (!state->still && state->list.cursor == 0) {
        free(state->list.current);
        state->list.current = NULL;
    }
    list_take(&state->list, rows, -1);
    json_decref(rows);
}

static void
answer(struct screen *s, unsigned tag, const json_t *result,
    const struct err *error)
{
    struct state *state = s->state;
    json_t *events = json_object_get(result, "events"), *event;
    size_t i;

    (void)tag;
    if (error->code != ERR_NONE)
        return;
    json_array_foreach (events, i, event) {
        json_int_t seq = json_integer_value(json_object_get(event, "seq"));

        if (seq <= state->seen)
            continue;
        state->seen = seq;
        json_array_insert(state->events, 0, event);
    }
    while (json_array_size(state->events) > EVENTS_KEPT)
        json_array_remove(state->events, EVENTS_KEPT);
    show(s);
}

static void
draw(struct screen *s, struct area area)
{
    struct state *state = s->state;

    area_putf(area, 0, 2, STYLE_DIM, "%s, the newest first%s",
        state->own ? "This node's own events" : "All events",
        state->still ? "; standing still" : "; following");
    list_draw(&state->list, s, area_part(area, 1, 0, area.height, area.width));
}

static void
enter(struct screen *s)
{
    const json_t *event = list_current(list_of(s));
    struct buf b = BUF_INIT;
    const char *name;
    json_t *value;
    char *text;
    size_t len;

    json_object_foreach ((json_t *)event, name, value) {
        const struct column column = { name, name, COLUMN_TEXT, false };

        text = view_cell(event, &column);
        buf_printf(&b, "%-8s  %s\n", name, text);
        free(text);
    }
    text = (char *)buf_steal(&b, &len);
    form_message(s, "Event", text);
    free(text);
}

static void
key_follow(struct screen *s)
{
    struct state *state = s->state;

    state->still = !state->still;
    if (!state->still)
        state->list.cursor = 0;
    show(s);
}

static void
key_own(struct screen *s)
{
    struct state *state = s->state;

    state->own = !state->own;
    show(s);
}

static const struct key_binding keys[] = {
    { { PRESS_F(5), 'f' }, "Follow", "stay with the newest, or stand still",
        KEY_ALWAYS, key_follow },
    { { PRESS_F(6), 'n' }, "Node", "this node's own events, or all", KEY_ALWAYS,
        key_own },
    KEYS_END,
};

const struct screen_view view_events = {
    .name = "events",
    .title = "Events",
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

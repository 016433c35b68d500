/*
 * IP filter: the rules in the order in which they are asked, who enforces those
 * of scope "service" here, and a countdown while a change waits to be kept.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "manager-tui/filter_acts.h"
#include "manager-tui/screen_list.h"
#include "manager-tui/text.h"
#include "manager-tui/views.h"

struct state {
    struct screen_list list;
    int64_t reverts_ms; /* UTC; 0: no change waits */
    char enforced[256]; /* "" before the first answer */
};

static const char *
text_of(const json_t *row, const char *member)
{
    const char *text = json_string_value(json_object_get(row, member));

    return text != NULL ? text : "";
}

static bool
allows(const json_t *row)
{
    return strcmp(text_of(row, "action"), "allow") == 0;
}

static enum style
action_style(const json_t *row)
{
    return allows(row) ? STYLE_GOOD : STYLE_BAD;
}

static char *
action_cell(const json_t *row, bool ascii)
{
    const char *symbol = allows(row) ? ascii ? "+" : "●" : ascii ? "x" : "✖";

    return alloc_format("%s %s", symbol, text_of(row, "action"));
}

static char *
whose_cell(const json_t *row, bool ascii)
{
    (void)ascii;
    if (json_is_null(json_object_get(row, "id")))
        return alloc_string("default");
    return alloc_string(json_is_true(json_object_get(row, "cluster"))
                            ? "cluster"
                            : "this node");
}

static const struct list_column columns[] = {
    { { "POS", "position", COLUMN_TEXT, false }, 0, NULL, NULL },
    { { "ACTION", "action", COLUMN_TEXT, false }, 0, action_style,
        action_cell },
    { { "ADDRESS", "address", COLUMN_TEXT, true }, 0, NULL, NULL },
    { { "RULE OF", "cluster", COLUMN_TEXT, false }, 0, NULL, whose_cell },
    { { "SCOPE", "scope", COLUMN_TEXT, false }, 3, NULL, NULL },
    { { "EXPIRES", "expires", COLUMN_AGE, false }, 1, NULL, NULL },
    { { "COMMENT", "comment", COLUMN_TEXT, true }, 2, NULL, NULL },
    LIST_COLUMNS_END,
};

static const struct list_spec spec = {
    .columns = columns,
    .key = "position",
    .empty = "No rules: nobody may connect.",
};

static void
take_enforcers(struct state *state, const json_t *result)
{
    static const struct column column = { "", "enforced_by", COLUMN_ENFORCERS,
        false };
    char *text = view_cell(result, &column);

    snprintf(state->enforced, sizeof(state->enforced), "%s", text);
    free(text);
}

static void
answer(struct screen *s, unsigned tag, const json_t *result,
    const struct err *error)
{
    struct state *state = s->state;
    const char *reverts;
    struct err ignored = ERR_INIT;

    screen_take_rows(s, tag, result, error);
    if (error->code != ERR_NONE)
        return;
    reverts = json_string_value(json_object_get(result, "reverts_at"));
    state->reverts_ms = 0;
    if (reverts != NULL)
        clock_parse(reverts, &state->reverts_ms, &ignored);
    take_enforcers(state, result);
}

static void
draw(struct screen *s, struct area area)
{
    struct state *state = s->state;
    int64_t left_ms = state->reverts_ms - clock_utc_ms();
    char left[32];

    if (state->reverts_ms != 0) {
        text_duration(left_ms > 0 ? (left_ms + 999) / 1000 * 1000 : 0, left);
        area_fill(area, 0, STYLE_BANNER);
        area_putf(area, 0, 1, STYLE_BANNER,
            "A change is taken back in %s: F2 keeps it.", left);
        area = area_part(area, 1, 0, area.height, area.width);
    }
    if (state->enforced[0] != '\0' && area.height > 2) {
        area_putf(area, area.height - 1, 0, STYLE_DIM, "Scope \"service\": %s",
            state->enforced);
        area.height--;
    }
    list_draw(&state->list, s, area);
}

static void
key_keep(struct screen *s)
{
    const struct state *state = s->state;

    if (state->reverts_ms == 0)
        screen_say(s, "No change waits to be kept.");
    else
        screen_act(s, "ipfilter confirm", NULL, "The change is kept.");
}

static void
key_add(struct screen *s)
{
    filter_add_rule(s);
}

static void
key_move(struct screen *s)
{
    if (list_current(list_of(s)) != NULL)
        filter_move_rule(s, list_current(list_of(s)));
}

static void
key_remove(struct screen *s)
{
    if (list_current(list_of(s)) != NULL)
        filter_remove_rule(s, list_current(list_of(s)));
}

static void
key_test(struct screen *s)
{
    filter_test_address(s);
}

static void
key_bans(struct screen *s)
{
    screen_push(s, &view_bans, NULL);
}

static const struct key_binding keys[] = {
    { { PRESS_F(2), 'y' }, "Keep", "keep the change that waits", KEY_ALWAYS,
        key_keep },
    { { PRESS_F(7), 'n' }, "Add", "add a rule", KEY_ALWAYS, key_add },
    { { PRESS_F(6), 'm' }, "Move", "give the rule another place", KEY_ALWAYS,
        key_move },
    { { PRESS_F(8), 'x', PRESS_DELETE }, "Remove",
        "remove a rule; asks for its address", KEY_ALWAYS, key_remove },
    { { PRESS_F(5), 'a' }, "Test", "what an address may", KEY_ALWAYS,
        key_test },
    { { PRESS_F(9), 'b' }, "Bans", "addresses that are banned", KEY_ALWAYS,
        key_bans },
    KEYS_END,
};

const struct screen_view view_filter = {
    .name = "ipfilter",
    .title = "IP filter",
    .rows = &spec,
    .command = "ipfilter list",
    .member = "rules",
    .state_size = sizeof(struct state),
    .keys = keys,
    .answer = answer,
    .draw = draw,
};

/*
 * Columns of servers, worst first as the node lists them.
 */
#include "manager-tui/server_list.h"

#include <string.h>

#include "base/alloc.h"
#include "manager-tui/view.h"

static const struct state_look {
    const char *state;
    const char *symbol;
    const char *ascii;
    enum style style;
} state_looks[] = {
    { "primary", "★", "P", STYLE_STRONG },
    { "key-changed", "✖", "#", STYLE_BAD },
    { "refused", "✖", "#", STYLE_BAD },
    { "held", "■", "!", STYLE_BAD },
    { "drifted", "▲", "!", STYLE_WARN },
    { "unreachable", "✖", "x", STYLE_BAD },
    { "overwriting", "▶", ">", STYLE_WARN },
    { "behind", "▲", "<", STYLE_WARN },
    { "paused", "‖", "-", STYLE_DIM },
    { "synchronized", "●", "+", STYLE_GOOD },
};

static const struct state_look *
find_look(const char *state)
{
    static const struct state_look unknown = { "", "?", "?", STYLE_WARN };

    for (size_t i = 0; i < sizeof(state_looks) / sizeof(state_looks[0]); i++)
        if (state != NULL && strcmp(state_looks[i].state, state) == 0)
            return &state_looks[i];
    return &unknown;
}

enum style
server_state_style(const char *state)
{
    return find_look(state)->style;
}

char *
server_state_text(const char *state, bool ascii)
{
    const struct state_look *look = find_look(state);

    return alloc_format("%s %s", ascii ? look->ascii : look->symbol,
        state != NULL ? state : "unknown");
}

static const char *
row_state(const json_t *row)
{
    return json_string_value(json_object_get(row, "state"));
}

static enum style
state_style(const json_t *row)
{
    return server_state_style(row_state(row));
}

static char *
state_cell(const json_t *row, bool ascii)
{
    return server_state_text(row_state(row), ascii);
}

static enum style
error_style(const json_t *row)
{
    (void)row;
    return STYLE_BAD;
}

static char *
round_trip(const json_t *row, bool ascii)
{
    const json_t *value = view_member(row, "round_trip_ms");

    (void)ascii;
    return json_is_number(value)
               ? alloc_format("%.1f ms", json_number_value(value))
               : alloc_string("-");
}

static const struct list_column columns[] = {
    { { "NAME", "name", COLUMN_TEXT, true }, 0, NULL, NULL },
    { { "STATE", "state", COLUMN_TEXT, false }, 0, state_style, state_cell },
    { { "LAST SYNCHRONIZED", "last_synchronized", COLUMN_AGE, false }, 0, NULL,
        NULL },
    { { "IN EFFECT", "in_effect", COLUMN_YES_NO, false }, 3, NULL, NULL },
    { { "BEHIND", "behind", COLUMN_TEXT, false }, 2, NULL, NULL },
    { { "ADDRESS", "address", COLUMN_TEXT, true }, 4, NULL, NULL },
    { { "INTERVAL", "interval_s", COLUMN_SECONDS, false }, 6, NULL, NULL },
    { { "ROUND TRIP", "round_trip_ms", COLUMN_TEXT, false }, 5, NULL,
        round_trip },
    { { "ERROR", "error.message", COLUMN_TEXT, true }, 1, error_style, NULL },
    LIST_COLUMNS_END,
};

const struct list_spec server_list_spec = {
    .columns = columns,
    .key = "name",
    .empty = "No servers.",
    .paged = true,
    .pinned = true,
};

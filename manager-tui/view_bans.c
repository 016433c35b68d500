/*
 * Addresses that are banned from the admin port for a while.
 */
#include <string.h>

#include "manager-tui/screen_list.h"
#include "manager-tui/views.h"

struct state {
    struct screen_list list;
};

static const struct list_column columns[] = {
    { { "BANNED", "source", COLUMN_TEXT, true }, 0, NULL, NULL },
    { { "SINCE", "since", COLUMN_AGE, false }, 1, NULL, NULL },
    { { "UNTIL", "until", COLUMN_AGE, false }, 0, NULL, NULL },
    { { "TIMES", "times", COLUMN_TEXT, false }, 2, NULL, NULL },
    LIST_COLUMNS_END,
};

static const struct list_spec spec = {
    .columns = columns,
    .key = "source",
    .empty = "No address is banned.",
};

static void
open_view(struct screen *s)
{
    struct state *state = s->state;

    list_open(&state->list, &spec);
}

static void
close_view(struct screen *s)
{
    struct state *state = s->state;

    list_close(&state->list);
}

static struct screen_list *
list_of(struct screen *s)
{
    struct state *state = s->state;

    return &state->list;
}

static void
refresh(struct screen *s)
{
    if (s->waiting == 0)
        screen_ask(s, "ipfilter bans", NULL, 0);
}

static void
answer(struct screen *s, unsigned tag, const json_t *result,
    const struct err *error)
{
    (void)tag;
    if (error->code == ERR_NONE)
        list_take(list_of(s), json_object_get(result, "bans"), -1);
}

static void
draw(struct screen *s, struct area area)
{
    list_draw(list_of(s), s, area);
}

static void
key_unban(struct screen *s)
{
    json_t *chosen = list_chosen(list_of(s)), *source;
    size_t i;

    json_array_foreach (chosen, i, source) {
        const char *text = json_string_value(source);
        /* An IPv6 ban is of a /64; one address of it names it. */
        json_t *address = json_stringn(text, strcspn(text, "/"));

        screen_act(s, "ipfilter unban", json_pack("{s:o}", "address", address),
            "%s is not banned any more.", text);
    }
    list_unmark(list_of(s));
    json_decref(chosen);
}

static const struct key_binding keys[] = {
    { { PRESS_F(8), 'x', PRESS_DELETE }, "Unban",
        "let the marked, or this one, try again", KEY_ALWAYS, key_unban },
    KEYS_END,
};

const struct screen_view view_bans = {
    .name = "bans",
    .title = "Bans",
    .state_size = sizeof(struct state),
    .keys = keys,
    .open = open_view,
    .close = close_view,
    .refresh = refresh,
    .answer = answer,
    .draw = draw,
    .list = list_of,
};

/*
 * Addresses that are banned from the admin port for a while.
 */
#include <string.h>

#include "manager-tui/screen_list.h"
#include "manager-tui/views.h"

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
    .rows = &spec,
    .command = "ipfilter bans",
    .member = "bans",
    .keys = keys,
};

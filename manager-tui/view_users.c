/*
 * Users: a page of them at a time, filtered and sorted by the node.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "manager-tui/screen_list.h"
#include "manager-tui/user_acts.h"
#include "manager-tui/views.h"

static bool
has_expired(const json_t *row)
{
    const char *text = json_string_value(json_object_get(row, "expires"));
    struct err ignored = ERR_INIT;
    int64_t utc_ms = 0;

    return text != NULL && clock_parse(text, &utc_ms, &ignored) == 0 &&
           utc_ms <= clock_utc_ms();
}

static bool
is_enabled(const json_t *row)
{
    return json_is_true(json_object_get(row, "enabled"));
}

static enum style
login_style(const json_t *row)
{
    return !is_enabled(row)   ? STYLE_DIM
           : has_expired(row) ? STYLE_WARN
                              : STYLE_GOOD;
}

static char *
login_cell(const json_t *row, bool ascii)
{
    if (!is_enabled(row))
        return alloc_string(ascii ? "- disabled" : "‖ disabled");
    if (has_expired(row))
        return alloc_string(ascii ? "! expired" : "▲ expired");
    return alloc_string(ascii ? "+ enabled" : "● enabled");
}

static const struct list_column columns[] = {
    { { "NAME", "name", COLUMN_TEXT, true }, 0, NULL, NULL },
    { { "LOGIN", "enabled", COLUMN_TEXT, false }, 0, login_style, login_cell },
    { { "EXPIRES", "expires", COLUMN_AGE, false }, 1, NULL, NULL },
    { { "KEYS", "keys", COLUMN_TEXT, false }, 2, NULL, NULL },
    { { "PASSWORD", "has_password", COLUMN_YES_NO, false }, 3, NULL, NULL },
    { { "UID", "uid", COLUMN_TEXT, false }, 5, NULL, NULL },
    { { "GID", "gid", COLUMN_TEXT, false }, 6, NULL, NULL },
    { { "HOME", "home", COLUMN_TEXT, true }, 4, NULL, NULL },
    { { "COMMENT", "comment", COLUMN_TEXT, true }, 1, NULL, NULL },
    LIST_COLUMNS_END,
};

static const struct list_spec spec = {
    .columns = columns,
    .key = "name",
    .empty = "No users yet: F7 adds one.",
    .paged = true,
};

static json_t *
args(struct screen *s)
{
    (void)s;
    return json_pack("{s:b}", "ignore_case", true);
}

static void
enter(struct screen *s)
{
    screen_push(s, &view_user, list_current_key(list_of(s)));
}

static void
key_add(struct screen *s)
{
    user_add(s);
}

static void
key_edit(struct screen *s)
{
    if (list_current(list_of(s)) != NULL)
        user_edit(s, list_current(list_of(s)));
}

static void
key_password(struct screen *s)
{
    if (list_current_key(list_of(s)) != NULL)
        user_set_password(s, list_current_key(list_of(s)));
}

/* All that are chosen become what the one under the cursor is not. */
static void
key_enabled(struct screen *s)
{
    struct screen_list *list = list_of(s);
    bool enabled = !is_enabled(list_current(list));
    json_t *chosen = list_chosen(list), *name;
    size_t i;

    json_array_foreach (chosen, i, name)
        user_set_enabled(s, json_string_value(name), enabled);
    json_decref(chosen);
}

static void
key_remove(struct screen *s)
{
    if (list_current_key(list_of(s)) != NULL)
        user_remove(s, list_current_key(list_of(s)));
}

static void
key_groups(struct screen *s)
{
    screen_push(s, &view_groups, NULL);
}

static const struct key_binding keys[] = {
    { { PRESS_F(7), 'n' }, "Add", "add a user", KEY_WRITES, key_add },
    { { PRESS_F(6), 'e' }, "Edit", "change the user", KEY_WRITES, key_edit },
    { { PRESS_F(5), 'p' }, "Password", "give it another password, or none",
        KEY_WRITES, key_password },
    { { PRESS_F(9), 'd' }, "On/off",
        "let it log in, or not: the marked, or this one", KEY_WRITES,
        key_enabled },
    { { PRESS_F(8), 'x', PRESS_DELETE }, "Remove",
        "remove a user; asks for its name", KEY_WRITES, key_remove },
    { { PRESS_F(2), 'o' }, "Groups", "the groups", KEY_ALWAYS, key_groups },
    KEYS_END,
};

const struct screen_view view_users = {
    .name = "users",
    .title = "Users",
    .rows = &spec,
    .command = "user list",
    .member = "users",
    .args = args,
    .keys = keys,
    .enter = enter,
};

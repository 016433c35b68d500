/*
 * One user: what is so, its keys, folders and groups, each to be changed where
 * it stands.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "manager-tui/details.h"
#include "manager-tui/results.h"
#include "manager-tui/user_acts.h"
#include "manager-tui/views.h"

static const struct column fields[] = {
    { "comment", "comment", COLUMN_TEXT, false },
    { "may log in", "enabled", COLUMN_YES_NO, false },
    { "password", "has_password", COLUMN_YES_NO, false },
    { "expires", "expires", COLUMN_AGE, false },
    { "home", "home", COLUMN_TEXT, false },
    { "uid", "uid", COLUMN_TEXT, false },
    { "gid", "gid", COLUMN_TEXT, false },
    { "shell", "shell", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const char *
text_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));

    return text != NULL ? text : "";
}

static char *
key_text(const json_t *key)
{
    return alloc_format("%s  %s", text_of(key, "fingerprint"),
        text_of(key, "type"));
}

static char *
folder_text(const json_t *folder)
{
    return alloc_format("%s  %s", text_of(folder, "real_path"),
        text_of(folder, "permissions"));
}

static char *
group_text(const json_t *group)
{
    return alloc_format("gid %lld",
        (long long)json_integer_value(json_object_get(group, "gid")));
}

/* What there can be several of: one line each, labelled by a member. */
static const struct things {
    const char *title;
    const char *member;
    const char *kind;
    const char *label;
    char *(*text)(const json_t *thing);
} all_things[] = {
    { "Keys", "keys", "key", "comment", key_text },
    { "Folders", "folders", "folder", "virtual_path", folder_text },
    { "Groups", "groups", "group", "name", group_text },
};

static void
add_things(struct details *d, const struct things *things, const json_t *user)
{
    const json_t *all = json_object_get(user, things->member);
    json_t *thing;
    size_t i;

    details_title(d, things->title);
    json_array_foreach (all, i, thing) {
        char *text = things->text(thing);

        details_line(d, text_of(thing, things->label), text);
        details_thing(d, things->kind, json_incref(thing));
        free(text);
    }
    if (json_array_size(all) == 0)
        details_line(d, "none", "");
}

static void
arrange(struct screen *s, struct details *d)
{
    const json_t *user = json_object_get(d->answers[0], "user");

    details_fields(d, s, user, fields);
    for (size_t i = 0; i < sizeof(all_things) / sizeof(all_things[0]); i++)
        add_things(d, &all_things[i], user);
}

static const struct details_spec spec = {
    .title = "User",
    .gone = "It is no user of this node any more.",
    .asks = { { "user show", true, NULL } },
    .arrange = arrange,
};

/* A folder is changed; nothing else can be opened. */
static void
enter(struct screen *s)
{
    const json_t *row = list_current(list_of(s));

    if (!screen_is_read_only(s) && strcmp(text_of(row, "kind"), "folder") == 0)
        user_edit_folder(s, json_object_get(row, "thing"));
}

static void
key_edit(struct screen *s)
{
    const json_t *user = json_object_get(details_of(s), "user");

    if (user != NULL)
        user_edit(s, user);
}

static void
key_password(struct screen *s)
{
    user_set_password(s, s->subject);
}

static void
key_key(struct screen *s)
{
    user_add_key(s, s->subject);
}

static void
key_folder(struct screen *s)
{
    user_add_folder(s, s->subject);
}

static void
key_group(struct screen *s)
{
    user_add_to_group(s, s->subject);
}

static void
key_remove(struct screen *s)
{
    const json_t *row = list_current(list_of(s));

    if (text_of(row, "kind")[0] == '\0')
        screen_say(s, "Choose a key, a folder or a group first.");
    else
        user_remove_thing(s, s->subject, text_of(row, "kind"),
            json_object_get(row, "thing"));
}

static const struct key_binding keys[] = {
    { { PRESS_F(7), 'n' }, "Key", "add a key: a line or a file", KEY_WRITES,
        key_key },
    { { PRESS_F(9), 'f' }, "Folder", "add a folder; Enter on one changes it",
        KEY_WRITES, key_folder },
    { { PRESS_F(2), 'o' }, "Group", "put the user into a group", KEY_WRITES,
        key_group },
    { { PRESS_F(6), 'e' }, "Edit", "change the user", KEY_WRITES, key_edit },
    { { PRESS_F(8), 'x', PRESS_DELETE }, "Remove",
        "remove the key or folder, or leave the group; asks for its name",
        KEY_WRITES, key_remove },
    { { PRESS_F(5), 'p' }, "Password", "give it another password, or none",
        KEY_WRITES, key_password },
    KEYS_END,
};

const struct screen_view view_user = {
    .name = "user",
    .title = "User",
    DETAILS_VIEW(spec),
    .keys = keys,
    .enter = enter,
};

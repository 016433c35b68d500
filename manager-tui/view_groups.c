/*
 * Groups of users and who is in them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "manager-tui/form.h"
#include "manager-tui/screen_list.h"
#include "manager-tui/views.h"

static const struct list_column columns[] = {
    { { "GROUP", "name", COLUMN_TEXT, true }, 0, NULL, NULL },
    { { "GID", "gid", COLUMN_TEXT, false }, 1, NULL, NULL },
    { { "COUNT", "members", COLUMN_COUNT, false }, 0, NULL, NULL },
    { { "MEMBERS", "members", COLUMN_LIST, true }, 0, NULL, NULL },
    { { "COMMENT", "comment", COLUMN_TEXT, true }, 2, NULL, NULL },
    LIST_COLUMNS_END,
};

static const struct list_spec spec = {
    .columns = columns,
    .key = "name",
    .empty = "No groups yet: F7 adds one.",
};

#define ABOUT_GROUP                                                         \
    { "gid", "Gid", FIELD_INT, NULL, "the next free unless given", false }, \
    {                                                                       \
        "comment", "Comment", FIELD_TEXT, NULL, "free text", false          \
    }

static const struct form_field add_fields[] = {
    { "name", "Name", FIELD_TEXT, NULL,
        "a to z, 0 to 9, \"_\", \".\" and \"-\"", true },
    ABOUT_GROUP,
    FIELDS_END,
};

static void
key_add(struct screen *s)
{
    static const struct form_spec form = { .title = "Add a group",
        .submit = "Add",
        .fields = add_fields,
        .command = "group add",
        .done = "The group is added." };

    form_open(s, &form, NULL, NULL, NULL);
}

static const struct form_field edit_fields[] = {
    { "new_name", "Name", FIELD_TEXT, NULL,
        "a to z, 0 to 9, \"_\", \".\" and \"-\"", true },
    ABOUT_GROUP,
    { "add", "Put in", FIELD_TEXT, NULL, "names of users, with blanks between",
        false },
    { "remove", "Take out", FIELD_TEXT, NULL,
        "names of users, with blanks between", false },
    FIELDS_END,
};

/* The names of a text as an array. */
static void
split(json_t *args, const char *member)
{
    const char *text = json_string_value(json_object_get(args, member));
    json_t *names;

    if (text == NULL)
        return;
    names = json_array();
    for (text += strspn(text, " ,"); *text != '\0';
         text += strspn(text, " ,")) {
        size_t len = strcspn(text, " ,");

        json_array_append_new(names, json_stringn(text, len));
        text += len;
    }
    json_object_set_new(args, member, names);
}

static int
check_edit(struct form *f, json_t *args, struct err *e)
{
    (void)f;
    (void)e;
    split(args, "add");
    split(args, "remove");
    if (json_is_null(json_object_get(args, "comment")))
        json_object_set_new(args, "comment", json_string(""));
    return 0;
}

static void
key_edit(struct screen *s)
{
    static const struct form_spec form = { .title = "Change a group",
        .submit = "Change",
        .fields = edit_fields,
        .command = "group set",
        .only_changes = true,
        .check = check_edit,
        .done = "The group is changed." };
    const char *name = list_current_key(list_of(s));
    json_t *values;
    char *text;

    if (name == NULL)
        return;
    text = alloc_format("The group \"%s\".", name);
    values = json_deep_copy(list_current(list_of(s)));
    json_object_set_new(values, "new_name", json_string(name));
    form_fill(form_open(s, &form, text, json_pack("{s:s}", "name", name), NULL),
        values);
    json_decref(values);
    free(text);
}

static void
key_remove(struct screen *s)
{
    const char *name = list_current_key(list_of(s));
    char *text;

    if (name == NULL)
        return;
    text = alloc_format(
        "The group \"%s\" will be removed with its folders; its users stay.",
        name);
    form_confirm(s, "Remove a group", text, name, "group remove",
        json_pack("{s:s}", "name", name));
    free(text);
}

static void
enter(struct screen *s)
{
    if (!screen_is_read_only(s))
        key_edit(s);
}

static const struct key_binding keys[] = {
    { { PRESS_F(7), 'n' }, "Add", "add a group", KEY_WRITES, key_add },
    { { PRESS_F(6), 'e' }, "Edit", "change the group and who is in it",
        KEY_WRITES, key_edit },
    { { PRESS_F(8), 'x', PRESS_DELETE }, "Remove",
        "remove a group; asks for its name", KEY_WRITES, key_remove },
    KEYS_END,
};

const struct screen_view view_groups = {
    .name = "groups",
    .title = "Groups",
    .rows = &spec,
    .command = "group list",
    .member = "groups",
    .keys = keys,
    .enter = enter,
};

/*
 * Forms about what belongs to a user: keys, folders, groups.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "manager-tui/form.h"
#include "manager-tui/key_line.h"
#include "manager-tui/user_acts.h"

static const struct form_field key_fields[] = {
    { "key", "Key", FIELD_TEXT, NULL,
        "a line such as \"ssh-ed25519 AAAA... ann@laptop\" (paste it), or the "
        "name of a .pub file on this machine",
        true },
    FIELDS_END,
};

static int
check_key(struct form *f, json_t *args, struct err *e)
{
    json_t *line = NULL;

    if (key_line_typed(form_typed(f, "key"), &line, e) != 0)
        return -1;
    json_object_set_new(args, "key", line);
    return 0;
}

void
user_add_key(struct screen *s, const char *name)
{
    static const struct form_spec spec = { .title = "Add a key",
        .submit = "Add",
        .fields = key_fields,
        .command = "user key add",
        .check = check_key,
        .done = "The key is added." };
    char *text = alloc_format("A key that opens the account \"%s\".", name);

    form_open(s, &spec, text, json_pack("{s:s}", "name", name), NULL);
    free(text);
}

static const struct form_field folder_fields[] = {
    { "virtual_path", "Seen as", FIELD_TEXT, NULL,
        "the path that the user sees, such as /in", true },
    { "real_path", "Really", FIELD_TEXT, NULL,
        "the path on the servers, such as /srv/data/in", true },
    { "permissions", "May", FIELD_CHOICE, "read-write|read|write",
        "Left and Right choose", true },
    FIELDS_END,
};

void
user_add_folder(struct screen *s, const char *name)
{
    static const struct form_spec spec = { .title = "Add a folder",
        .submit = "Add",
        .fields = folder_fields,
        .command = "folder add",
        .done = "The folder is added." };
    char *text = alloc_format("A folder for \"%s\".", name);

    form_open(s, &spec, text, json_pack("{s:s}", "user", name), NULL);
    free(text);
}

void
user_edit_folder(struct screen *s, const json_t *folder)
{
    static const struct form_spec spec = { .title = "Change a folder",
        .submit = "Change",
        .fields = folder_fields,
        .command = "folder set",
        .only_changes = true,
        .done = "The folder is changed." };
    struct form *f = form_open(s, &spec, NULL,
        json_pack("{s:O}", "id", json_object_get(folder, "id")), NULL);

    form_fill(f, folder);
}

static const struct form_field group_fields[] = {
    { "name", "Group", FIELD_TEXT, NULL, "the name of a group that there is",
        true },
    FIELDS_END,
};

void
user_add_to_group(struct screen *s, const char *name)
{
    static const struct form_spec spec = { .title = "Put into a group",
        .submit = "Put in",
        .fields = group_fields,
        .command = "group set",
        .done = "The user is a member now." };
    char *text = alloc_format("Which group \"%s\" becomes a member of.", name);

    form_open(s, &spec, text, json_pack("{s:[s]}", "add", name), NULL);
    free(text);
}

/* A text that can be typed; NULL. */
static const char *
typable(const json_t *thing, const char *member)
{
    const char *text = json_string_value(json_object_get(thing, member));

    for (const char *p = text; p != NULL && *p != '\0'; p++)
        if (*p < ' ' || *p > '~')
            return NULL;
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static void
remove_key(struct screen *s, const char *user, const json_t *key)
{
    json_t *id = json_object_get(key, "id");
    const char *comment = typable(key, "comment");
    char *number = alloc_format("%lld", (long long)json_integer_value(id));
    char *text = alloc_format(
        "The key %s (%s) will not open the account \"%s\" any more.", number,
        json_string_value(json_object_get(key, "fingerprint")), user);

    form_confirm(s, "Remove a key", text, comment != NULL ? comment : number,
        "user key remove",
        json_pack("{s:s, s:s}", "name", user, "key", number));
    free(text);
    free(number);
}

static void
remove_folder(struct screen *s, const char *user, const json_t *folder)
{
    json_t *id = json_object_get(folder, "id");
    const char *path = typable(folder, "virtual_path");
    char *number = alloc_format("%lld", (long long)json_integer_value(id));
    char *text = alloc_format("\"%s\" will not see folder %s any more.", user,
        path != NULL ? path : number);

    form_confirm(s, "Remove a folder", text, path != NULL ? path : number,
        "folder remove", json_pack("{s:O}", "id", id));
    free(text);
    free(number);
}

static void
leave_group(struct screen *s, const char *user, const json_t *group)
{
    const char *name = json_string_value(json_object_get(group, "name"));
    char *text;

    if (name == NULL)
        return;
    text = alloc_format("\"%s\" will leave the group \"%s\".", user, name);
    form_confirm(s, "Leave a group", text, name, "group set",
        json_pack("{s:s, s:[s]}", "name", name, "remove", user));
    free(text);
}

void
user_remove_thing(struct screen *s, const char *name, const char *kind,
    const json_t *thing)
{
    static const struct {
        const char *kind;
        void (*run)(struct screen *s, const char *user, const json_t *thing);
    } kinds[] = {
        { "key", remove_key },
        { "folder", remove_folder },
        { "group", leave_group },
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].kind, kind) == 0)
            kinds[i].run(s, name, thing);
}

/*
 * Forms about users themselves.
 */
#include "manager-tui/user_acts.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "manager-tui/form.h"
#include "manager-tui/password_fields.h"
#include "manager-tui/views.h"

#define ABOUT_USER                                                           \
    { "comment", "Comment", FIELD_TEXT, NULL, "free text", false },          \
        { "home", "Home", FIELD_TEXT, NULL,                                  \
            "a path; /srv/sftp/NAME unless "                                 \
            "given",                                                         \
            false },                                                         \
        { "uid", "Uid", FIELD_INT, NULL, "the next free unless given",       \
            false },                                                         \
        { "gid", "Gid", FIELD_INT, NULL, "the uid unless given", false },    \
        { "shell", "Shell", FIELD_TEXT, NULL, "a path, or nothing", false }, \
    {                                                                        \
        "expires", "Expires", FIELD_TIME, NULL,                              \
            "2026-12-31, 30d from now, or never", false                      \
    }

static const char *
text_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));

    return text != NULL ? text : "";
}

/* What was emptied is no value any more: "" to the node. */
static int
empty_texts(struct form *f, json_t *args, struct err *e)
{
    const char *member;
    json_t *value;
    void *next;

    (void)f;
    (void)e;
    json_object_foreach_safe(args, next, member, value) if (json_is_null(value))
        json_object_set_new(args, member, json_string(""));
    return 0;
}

static const struct form_field add_fields[] = {
    { "name", "Name", FIELD_TEXT, NULL,
        "a to z, 0 to 9, \"_\", \".\" and \"-\"", true },
    ABOUT_USER,
    PASSWORD_FIELDS(false),
    FIELDS_END,
};

static void
added(struct form *f, const json_t *result)
{
    struct screen *s = form_screen(f);
    const char *name = text_of(json_object_get(result, "user"), "name");

    screen_say(s, "The user \"%s\" is added; it can be given a key here.",
        name);
    screen_push(s, &view_user, name);
}

void
user_add(struct screen *s)
{
    static const struct form_spec spec = { .title = "Add a user",
        .submit = "Add",
        .fields = add_fields,
        .command = "user add",
        .check = password_fields_check,
        .finish = added };

    form_open(s, &spec,
        "Without a password only a key opens the account; keys are added "
        "afterwards.",
        NULL, NULL);
}

static const struct form_field edit_fields[] = {
    { "new_name", "Name", FIELD_TEXT, NULL,
        "a to z, 0 to 9, \"_\", \".\" and \"-\"", true },
    ABOUT_USER,
    { "enabled", "Enabled", FIELD_YES_NO, NULL, "whether it may log in",
        false },
    FIELDS_END,
};

/* A screen about the user goes: it may have another name now. */
static void
edited(struct form *f, const json_t *result)
{
    struct screen *s = form_screen(f);
    const char *name = text_of(json_object_get(result, "user"), "name");

    screen_say(s, "The user \"%s\" is changed.", name);
    if (s->subject != NULL && strcmp(s->subject, name) != 0) {
        free(s->subject);
        s->subject = alloc_string(name);
    }
}

void
user_edit(struct screen *s, const json_t *user)
{
    static const struct form_spec spec = { .title = "Change a user",
        .submit = "Change",
        .fields = edit_fields,
        .command = "user set",
        .only_changes = true,
        .check = empty_texts,
        .finish = edited };
    const char *name = text_of(user, "name");
    char *text = alloc_format("The user \"%s\".", name);
    json_t *values = json_deep_copy(user);
    struct form *f =
        form_open(s, &spec, text, json_pack("{s:s}", "name", name), NULL);

    json_object_set_new(values, "new_name", json_string(name));
    form_fill(f, values);
    json_decref(values);
    free(text);
}

static const struct form_field password_fields[] = {
    PASSWORD_FIELDS(false),
    { "disable", "No password at all", FIELD_YES_NO, NULL,
        "yes: only keys open the account", false },
    FIELDS_END,
};

static int
check_password(struct form *f, json_t *args, struct err *e)
{
    bool disable = strcmp(form_typed(f, "disable"), "yes") == 0;
    bool typed = form_typed(f, "password")[0] != '\0';

    if (password_fields_check(f, args, e) != 0)
        return -1;
    if (disable == typed)
        return err_set(e, ERR_USAGE,
            disable ? "there is a password, and there shall be none"
                    : "Password: this must be filled in");
    if (!disable)
        json_object_del(args, "disable");
    return 0;
}

void
user_set_password(struct screen *s, const char *name)
{
    static const struct form_spec spec = { .title = "Password of a user",
        .submit = "Set",
        .fields = password_fields,
        .command = "user passwd",
        .check = check_password,
        .done = "The password is set." };
    char *text = alloc_format("A new password for \"%s\".", name);

    form_open(s, &spec, text, json_pack("{s:s}", "name", name), NULL);
    free(text);
}

void
user_set_enabled(struct screen *s, const char *name, bool enabled)
{
    screen_act(s, "user set",
        json_pack("{s:s, s:b}", "name", name, "enabled", enabled),
        enabled ? "%s may log in." : "%s may not log in any more.", name);
}

void
user_remove(struct screen *s, const char *name)
{
    char *text = alloc_format(
        "The user \"%s\" will be removed, here and on every server, with its "
        "keys and folders. Files stay.",
        name);

    form_confirm(s, "Remove a user", text, name, "user remove",
        json_pack("{s:s}", "name", name));
    free(text);
}

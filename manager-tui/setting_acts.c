/*
 * Forms about settings and administrators.
 */
#include "manager-tui/setting_acts.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "manager-tui/form.h"
#include "manager-tui/password_fields.h"

static const struct form_field sync_fields[] = {
    { "enabled", "Enabled", FIELD_YES_NO, NULL,
        "no: nothing is published or sent by itself", false },
    { "interval_ms", "Interval", FIELD_DURATION, NULL, "1s to 1d", true },
    { "instant", "Instant", FIELD_YES_NO, NULL,
        "yes: also as soon as a change is committed", false },
    FIELDS_END,
};

void
setting_edit_sync(struct screen *s, const json_t *sync)
{
    static const struct form_spec spec = { .title = "Synchronization",
        .submit = "Set",
        .fields = sync_fields,
        .command = "sync config",
        .only_changes = true,
        .done = "Synchronization is set." };
    long long ms =
        (long long)json_integer_value(json_object_get(sync, "interval_ms"));
    char *interval = alloc_format("%llds", ms / 1000);
    json_t *values = json_deep_copy(sync);

    json_object_set_new(values, "interval_ms", json_string(interval));
    form_fill(form_open(s, &spec, NULL, NULL, NULL), values);
    json_decref(values);
    free(interval);
}

static const struct form_field setting_fields[] = {
    { "name", "Name", FIELD_TEXT, NULL,
        "a to z, 0 to 9, \"_\", \".\" and "
        "\"-\"",
        true },
    { "value", "Value", FIELD_TEXT, NULL, "any text", true },
    FIELDS_END,
};

void
setting_add(struct screen *s)
{
    static const struct form_spec spec = { .title = "Add a setting",
        .submit = "Set",
        .fields = setting_fields,
        .command = "config set",
        .done = "The setting is set." };

    form_open(s, &spec, NULL, NULL, NULL);
}

void
setting_edit(struct screen *s, const json_t *setting)
{
    static const struct form_spec spec = { .title = "Change a setting",
        .submit = "Set",
        .fields = setting_fields + 1,
        .command = "config set",
        .done = "The setting is set." };
    const json_t *name = json_object_get(setting, "name");

    form_fill(form_open(s, &spec, json_string_value(name),
                  json_pack("{s:O}", "name", name), NULL),
        setting);
}

void
setting_remove(struct screen *s, const char *name)
{
    char *text = alloc_format(
        "The setting \"%s\" will be removed, here and on every server.", name);

    form_confirm(s, "Remove a setting", text, name, "config unset",
        json_pack("{s:s}", "name", name));
    free(text);
}

static const struct form_field admin_fields[] = {
    { "name", "Name", FIELD_TEXT, NULL, "of the login", true },
    { "role", "Role", FIELD_CHOICE, "admin|viewer",
        "viewer: sees status, servers and events, changes nothing", true },
    { "comment", "Comment", FIELD_TEXT, NULL, "free text", false },
    PASSWORD_FIELDS(true),
    FIELDS_END,
};

void
admin_add(struct screen *s)
{
    static const struct form_spec spec = { .title = "Add an administrator",
        .submit = "Add",
        .fields = admin_fields,
        .command = "admin add",
        .check = password_fields_check,
        .done = "The administrator is added." };

    form_open(s, &spec, "An administrator of the whole cluster.", NULL, NULL);
}

static const struct form_field password_fields[] = {
    PASSWORD_FIELDS(true),
    FIELDS_END,
};

void
admin_set_password(struct screen *s, const char *name)
{
    static const struct form_spec spec = { .title =
                                               "Password of an administrator",
        .submit = "Set",
        .fields = password_fields,
        .command = "admin passwd",
        .check = password_fields_check,
        .done = "The password is set." };
    char *text = alloc_format("A new password for \"%s\".", name);

    form_open(s, &spec, text, json_pack("{s:s}", "name", name), NULL);
    free(text);
}

void
admin_remove(struct screen *s, const char *name)
{
    char *text = alloc_format(
        "The administrator \"%s\" will not be let in any more, nowhere.", name);

    form_confirm(s, "Remove an administrator", text, name, "admin remove",
        json_pack("{s:s}", "name", name));
    free(text);
}

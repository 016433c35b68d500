/*
 * Settings: synchronization, those of the SFTP service, administrators and
 * their passwords, each to be changed where it stands.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "manager-tui/details.h"
#include "manager-tui/setting_acts.h"
#include "manager-tui/text.h"
#include "manager-tui/views.h"

static const char *
text_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));

    return text != NULL ? text : "";
}

static void
line_of_sync(struct details *d, json_t *sync, const char *label,
    const char *text)
{
    details_line(d, label, text);
    details_thing(d, "sync", json_incref(sync));
}

static void
add_sync(struct details *d, json_t *sync)
{
    const json_t *history = json_object_get(sync, "history");
    char text[32], age[32];
    char *kept;

    details_title(d, "Synchronization");
    line_of_sync(d, sync, "enabled",
        json_is_true(json_object_get(sync, "enabled")) ? "yes" : "no");
    text_duration(json_integer_value(json_object_get(sync, "interval_ms")),
        text);
    line_of_sync(d, sync, "interval", text);
    line_of_sync(d, sync, "instant",
        json_is_true(json_object_get(sync, "instant"))
            ? "yes: as soon as a change is committed"
            : "no: on the interval");
    text_bytes(json_integer_value(json_object_get(history, "max_bytes")), text);
    text_duration(json_integer_value(json_object_get(history, "max_age_ms")),
        age);
    kept = alloc_format("%s or %s a dataset (lockstepd.conf)", text, age);
    details_line(d, "history is kept", kept);
    free(kept);
}

static void
add_settings(struct details *d, const json_t *settings)
{
    json_t *setting;
    size_t i;

    details_title(d, "SFTP service");
    json_array_foreach (settings, i, setting) {
        details_line(d, text_of(setting, "name"), text_of(setting, "value"));
        details_thing(d, "setting", json_incref(setting));
    }
    if (json_array_size(settings) == 0)
        details_line(d, "none", "");
}

static void
add_admins(struct details *d, const json_t *admins)
{
    json_t *admin;
    size_t i;

    details_title(d, "Administrators");
    json_array_foreach (admins, i, admin) {
        long long keys =
            (long long)json_integer_value(json_object_get(admin, "keys"));
        char *text = alloc_format("%s, %lld %s%s%s", text_of(admin, "role"),
            keys, keys == 1 ? "key" : "keys",
            text_of(admin, "comment")[0] != '\0' ? ", " : "",
            text_of(admin, "comment"));

        details_line(d, text_of(admin, "name"), text);
        details_thing(d, "admin", json_incref(admin));
        free(text);
    }
}

static void
arrange(struct screen *s, struct details *d)
{
    (void)s;
    add_sync(d, d->answers[0]);
    if (d->answers[1] != NULL)
        add_settings(d, json_object_get(d->answers[1], "settings"));
    if (d->answers[2] != NULL)
        add_admins(d, json_object_get(d->answers[2], "admins"));
}

static const struct details_spec spec = {
    .asks = { { "sync status", false, NULL }, { "config list", false, NULL },
        { "admin list", false, NULL } },
    .arrange = arrange,
};

/* What the line under the cursor is about, if it is of that KIND. */
static const json_t *
thing_of(struct screen *s, const char *kind)
{
    const json_t *row = list_current(list_of(s));

    return strcmp(text_of(row, "kind"), kind) == 0
               ? json_object_get(row, "thing")
               : NULL;
}

static void
key_edit(struct screen *s)
{
    const json_t *thing;

    if ((thing = thing_of(s, "sync")) != NULL)
        setting_edit_sync(s, thing);
    else if ((thing = thing_of(s, "setting")) != NULL)
        setting_edit(s, thing);
    else if ((thing = thing_of(s, "admin")) != NULL)
        admin_set_password(s, text_of(thing, "name"));
    else
        screen_say(s, "Choose what can be changed first.");
}

static void
enter(struct screen *s)
{
    if (!screen_is_read_only(s))
        key_edit(s);
}

static void
key_setting(struct screen *s)
{
    setting_add(s);
}

static void
key_admin(struct screen *s)
{
    admin_add(s);
}

/* Of the administrator under the cursor, else of the node's own account. */
static void
key_password(struct screen *s)
{
    const json_t *admin = thing_of(s, "admin");

    admin_set_password(s, admin != NULL ? text_of(admin, "name") : "admin");
}

static void
key_remove(struct screen *s)
{
    const json_t *thing;

    if ((thing = thing_of(s, "setting")) != NULL)
        setting_remove(s, text_of(thing, "name"));
    else if ((thing = thing_of(s, "admin")) != NULL)
        admin_remove(s, text_of(thing, "name"));
    else
        screen_say(s, "Choose a setting or an administrator first.");
}

static const struct key_binding keys[] = {
    { { PRESS_F(6), 'e' }, "Edit", "change what is under the cursor",
        KEY_WRITES, key_edit },
    { { PRESS_F(5), 'p' }, "Password",
        "another password for the administrator, or for this node's own "
        "account",
        KEY_ALWAYS, key_password },
    { { PRESS_F(9), 'a' }, "Admin", "add an administrator", KEY_WRITES,
        key_admin },
    { { PRESS_F(7), 'n' }, "Setting", "add a setting", KEY_WRITES,
        key_setting },
    { { PRESS_F(8), 'x', PRESS_DELETE }, "Remove",
        "remove the setting or the administrator; asks for its name",
        KEY_WRITES, key_remove },
    KEYS_END,
};

const struct screen_view view_settings = {
    .name = "settings",
    .title = "Settings",
    DETAILS_VIEW(spec),
    .keys = keys,
    .enter = enter,
};

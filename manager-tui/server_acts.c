/*
 * What the manager does with servers.  Whatever takes something away names it
 * and waits until the name is typed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "manager-tui/form.h"
#include "manager-tui/server_list.h"
#include "manager-tui/server_rescue.h"
#include "manager-tui/server_wizard.h"
#include "manager-tui/view.h"
#include "manager-tui/views.h"

static bool
is_primary_row(const char *name, const struct screen *s)
{
    const char *own =
        screen_status(s) != NULL
            ? json_string_value(view_member(screen_status(s), "node.name"))
            : NULL;

    /* The primary's own row is no server of its. */
    return own != NULL && strcmp(own, name) == 0;
}

/* Runs ACT for every marked server, or the one under the cursor. */
static void
for_chosen(struct screen *s, void (*act)(struct screen *s, const char *name))
{
    struct screen_list *list = list_of(s);
    json_t *chosen = list_chosen(list), *name;
    size_t i, done = 0;

    json_array_foreach (chosen, i, name)
        if (!is_primary_row(json_string_value(name), s)) {
            act(s, json_string_value(name));
            done++;
        }
    if (done == 0)
        screen_say(s, "Choose a server first: this row is the primary's own.");
    json_decref(chosen);
}

void
server_sync(struct screen *s, const char *name)
{
    screen_act(s, "sync now", json_pack("{s:[s]}", "servers", name),
        "%s is being synchronized.", name);
}

void
server_pause(struct screen *s, const char *name)
{
    screen_act(s, "server pause", json_pack("{s:s}", "name", name),
        "%s is paused.", name);
}

void
server_resume(struct screen *s, const char *name)
{
    screen_act(s, "server resume", json_pack("{s:s}", "name", name),
        "%s goes on.", name);
}

static const struct form_field interval_fields[] = {
    { "interval_ms", "Interval", FIELD_DURATION, NULL,
        "1s to 1d; 0 for the cluster's own", true },
    FIELDS_END,
};

void
server_set_interval(struct screen *s, const char *name, int64_t interval_s)
{
    static const struct form_spec spec = { .title = "Interval",
        .submit = "Set",
        .fields = interval_fields,
        .command = "sync config",
        .done = "The interval is set." };
    char *text = alloc_format("How often \"%s\" is synchronized.", name);
    char *now = alloc_format("%llds", (long long)interval_s);
    json_t *values = json_pack("{s:s}", "interval_ms", now);
    struct form *f =
        form_open(s, &spec, text, json_pack("{s:s}", "server", name), NULL);

    form_fill(f, values);
    json_decref(values);
    free(now);
    free(text);
}

static const struct form_field remove_fields[] = {
    { "force", "Also when it cannot be told", FIELD_YES_NO, NULL,
        "then run \"lockstep node detach\" there", false },
    { "confirm", "Type the name", FIELD_CONFIRM, NULL,
        "Enter removes it, Esc changes nothing", true },
    FIELDS_END,
};

void
server_remove(struct screen *s, const char *name)
{
    static const struct form_spec spec = { .title = "Remove a server",
        .submit = "Remove",
        .fields = remove_fields,
        .command = "server remove",
        .done = "The server is removed; it keeps its data." };
    char *text = alloc_format(
        "The server \"%s\" will be removed from the cluster; it keeps its "
        "data.",
        name);

    form_open(s, &spec, text, json_pack("{s:s}", "name", name), name);
    free(text);
}

/* Keys. */

static void
key_sync(struct screen *s)
{
    for_chosen(s, server_sync);
}

static void
key_sync_all(struct screen *s)
{
    screen_act(s, "sync now", NULL, "Every server is being synchronized.");
}

static void
key_pause(struct screen *s)
{
    for_chosen(s, server_pause);
}

static void
key_resume(struct screen *s)
{
    for_chosen(s, server_resume);
}

void
server_open_current(struct screen *s)
{
    const char *name = list_current_key(list_of(s));

    if (name == NULL)
        return;
    if (is_primary_row(name, s))
        screen_say(s, "This row is the node itself: Overview is about it.");
    else
        screen_push(s, &view_server, name);
}

/* One at a time: what is typed names one. */
static const json_t *
one_row(struct screen *s)
{
    const json_t *row = list_current(list_of(s));
    const char *name = json_string_value(json_object_get(row, "name"));

    if (name == NULL || is_primary_row(name, s)) {
        screen_say(s, "Choose a server first: this row is the primary's own.");
        return NULL;
    }
    return row;
}

static void
key_interval(struct screen *s)
{
    const json_t *row = one_row(s);

    if (row != NULL)
        server_set_interval(s, json_string_value(json_object_get(row, "name")),
            json_integer_value(json_object_get(row, "interval_s")));
}

static void
key_remove(struct screen *s)
{
    const json_t *row = one_row(s);

    if (row != NULL)
        server_remove(s, json_string_value(json_object_get(row, "name")));
}

static void
key_trust(struct screen *s)
{
    const json_t *row = one_row(s);

    if (row != NULL)
        server_trust(s, row);
}

static void
key_again(struct screen *s)
{
    const json_t *row = one_row(s);

    if (row != NULL)
        server_again_start(s, row);
}

static void
key_overwrite(struct screen *s)
{
    const json_t *row = one_row(s);

    if (row != NULL)
        server_overwrite(s, row);
}

static void
key_doctor(struct screen *s)
{
    screen_push(s, &view_doctor, NULL);
}

const struct key_binding server_keys[] = {
    { { PRESS_F(2), 'a' }, "Add", "add a server, step by step", KEY_WRITES,
        server_wizard_start },
    { { PRESS_F(5), 's' }, "Sync", "synchronize now: the marked, or this one",
        KEY_PRIMARY, key_sync },
    { { 'S' }, "Sync all", "synchronize every server now",
        KEY_PRIMARY | KEY_QUIET, key_sync_all },
    { { PRESS_F(6), 'p' }, "Pause", "send nothing until resumed", KEY_PRIMARY,
        key_pause },
    { { PRESS_F(7), 'r' }, "Resume", "send again, beginning now", KEY_PRIMARY,
        key_resume },
    { { PRESS_F(9), 'i' }, "Interval", "how often it is synchronized",
        KEY_PRIMARY, key_interval },
    { { PRESS_F(8), 'x', PRESS_DELETE }, "Remove",
        "take a server out of the cluster; asks for its name", KEY_PRIMARY,
        key_remove },
    { { 'd' }, "Doctor", "what this node finds wrong", KEY_ALWAYS, key_doctor },
    { { 'T' }, "Trust", "accept a changed host key, after a look at it",
        KEY_PRIMARY | KEY_QUIET, key_trust },
    { { 'A' }, "Again", "register a server again that was installed anew",
        KEY_PRIMARY | KEY_QUIET, key_again },
    { { 'O' }, "Overwrite", "send everything again; asks for the name",
        KEY_PRIMARY | KEY_QUIET, key_overwrite },
    { { 'H' }, "Held", "what is held: what would be lost, then whether",
        KEY_WRITES | KEY_QUIET, datasets_decide },
    KEYS_END,
};

/*
 * One server: all that is known of it, its datasets and its newest events.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "manager-tui/details.h"
#include "manager-tui/results.h"
#include "manager-tui/server_list.h"
#include "manager-tui/server_rescue.h"
#include "manager-tui/server_wizard.h"
#include "manager-tui/views.h"

#define EVENTS_SHOWN 20

static const struct column fields[] = {
    { "error", "error.message", COLUMN_TEXT, false },
    { "what to do", "error.hint", COLUMN_TEXT, false },
    { "last synchronized", "last_synchronized", COLUMN_AGE, false },
    { "in effect", "in_effect", COLUMN_YES_NO, false },
    { "last verified", "last_verified", COLUMN_AGE, false },
    { "last attempt", "last_attempt", COLUMN_AGE, false },
    { "next attempt", "next_attempt", COLUMN_AGE, false },
    { "last change", "last_change", COLUMN_AGE, false },
    { "behind", "behind", COLUMN_TEXT, false },
    { "address", "address", COLUMN_TEXT, false },
    { "port", "port", COLUMN_TEXT, false },
    { "fingerprint", "fingerprint", COLUMN_TEXT, false },
    { "version", "version", COLUMN_TEXT, false },
    { "interval", "interval_s", COLUMN_SECONDS, false },
    { "round trip (ms)", "round_trip_ms", COLUMN_TEXT, false },
    { "pushes", "pushes", COLUMN_TEXT, false },
    { "overwrites", "overwrites", COLUMN_TEXT, false },
    { "sent", "bytes_sent", COLUMN_BYTES, false },
    COLUMNS_END,
};

static void
add_datasets(struct details *d, const json_t *datasets)
{
    for (size_t i = 0; i < json_array_size(datasets); i++) {
        const json_t *ds = json_array_get(datasets, i);
        const char *name = json_string_value(json_object_get(ds, "name"));
        const char *digest = json_string_value(json_object_get(ds, "digest"));
        char *text = alloc_format("revision %lld, behind by %lld, %s",
            (long long)json_integer_value(json_object_get(ds, "revision")),
            (long long)json_integer_value(json_object_get(ds, "behind")),
            digest != NULL ? digest : "no digest");

        details_line(d, name != NULL ? name : "", text);
        free(text);
    }
}

static void
add_events(struct details *d, const struct screen *s, const json_t *events)
{
    for (size_t i = json_array_size(events); i > 0; i--) {
        const json_t *event = json_array_get(events, i - 1);
        const char *text = json_string_value(json_object_get(event, "text"));
        char *when = screen_time(s, json_object_get(event, "time"));

        details_line(d, when, text != NULL ? text : "");
        free(when);
    }
}

static void
arrange(struct screen *s, struct details *d)
{
    const json_t *entry = json_object_get(d->answers[0], "server");
    const json_t *events = json_object_get(d->answers[1], "events");
    const char *name = json_string_value(json_object_get(entry, "state"));
    char *text;

    text = server_state_text(name, screen_is_ascii(s));
    details_line(d, "state", text);
    free(text);
    details_fields(d, s, entry, fields);
    details_title(d, "Datasets");
    add_datasets(d, json_object_get(d->answers[0], "datasets"));
    if (json_array_size(events) > 0) {
        details_title(d, "Events");
        add_events(d, s, events);
    }
}

static json_t *
events_args(struct screen *s)
{
    return json_pack("{s:s, s:i}", "server", s->subject, "limit", EVENTS_SHOWN);
}

static const struct details_spec spec = {
    .title = "Server",
    .gone = "It is no server of this node any more.",
    .asks = { { "server show", true, NULL },
        { "events list", false, events_args } },
    .arrange = arrange,
};

static void
key_sync(struct screen *s)
{
    server_sync(s, s->subject);
}

static void
key_pause(struct screen *s)
{
    server_pause(s, s->subject);
}

static void
key_resume(struct screen *s)
{
    server_resume(s, s->subject);
}

static void
key_interval(struct screen *s)
{
    server_set_interval(s, s->subject,
        json_integer_value(view_member(details_of(s), "server.interval_s")));
}

static void
key_remove(struct screen *s)
{
    server_remove(s, s->subject);
}

static void
key_trust(struct screen *s)
{
    const json_t *entry = json_object_get(details_of(s), "server");

    if (entry != NULL)
        server_trust(s, entry);
}

static void
key_again(struct screen *s)
{
    const json_t *entry = json_object_get(details_of(s), "server");

    if (entry != NULL)
        server_again_start(s, entry);
}

static void
key_overwrite(struct screen *s)
{
    const json_t *entry = json_object_get(details_of(s), "server");

    if (entry != NULL)
        server_overwrite(s, entry);
}

static const struct key_binding keys[] = {
    { { PRESS_F(5), 's' }, "Sync", "synchronize now", KEY_PRIMARY, key_sync },
    { { PRESS_F(6), 'p' }, "Pause", "send nothing until resumed", KEY_PRIMARY,
        key_pause },
    { { PRESS_F(7), 'r' }, "Resume", "send again, beginning now", KEY_PRIMARY,
        key_resume },
    { { PRESS_F(9), 'i' }, "Interval", "how often it is synchronized",
        KEY_PRIMARY, key_interval },
    { { PRESS_F(8), 'x', PRESS_DELETE }, "Remove",
        "take it out of the cluster; asks for its name", KEY_PRIMARY,
        key_remove },
    { { 'T' }, "Trust", "accept a changed host key, after a look at it",
        KEY_PRIMARY, key_trust },
    { { 'A' }, "Again", "register it again after it was installed anew",
        KEY_PRIMARY | KEY_QUIET, key_again },
    { { 'O' }, "Overwrite", "send everything again; asks for the name",
        KEY_PRIMARY, key_overwrite },
    KEYS_END,
};

const struct screen_view view_server = {
    .name = "server",
    .title = "Server",
    DETAILS_VIEW(spec),
    .keys = keys,
};

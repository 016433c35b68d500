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
#include "manager-tui/views.h"

#define EVENTS_SHOWN 20

enum { ASKED_SERVER, ASKED_EVENTS };

struct state {
    struct details details;
    json_t *server; /* the answers */
    json_t *events;
    bool gone; /* removed, perhaps by somebody else */
};

static const struct column fields[] = {
    { "error", "error.message", COLUMN_TEXT, false },
    { "what to do", "error.hint", COLUMN_TEXT, false },
    { "last synchronized", "last_synchronized", COLUMN_AGE, false },
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
open_view(struct screen *s)
{
    struct state *state = s->state;

    details_open(&state->details);
}

static void
close_view(struct screen *s)
{
    struct state *state = s->state;

    details_close(&state->details);
    json_decref(state->server);
    json_decref(state->events);
}

static struct screen_list *
list_of(struct screen *s)
{
    struct state *state = s->state;

    return &state->details.list;
}

static void
refresh(struct screen *s)
{
    if (s->waiting > 0)
        return;
    screen_ask(s, "server show", json_pack("{s:s}", "name", s->subject),
        ASKED_SERVER);
    screen_ask(s, "events list",
        json_pack("{s:s, s:i}", "server", s->subject, "limit", EVENTS_SHOWN),
        ASKED_EVENTS);
}

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

/* The lines, anew: times in them go on. */
static void
arrange(struct screen *s)
{
    struct state *state = s->state;
    struct details *d = &state->details;
    const json_t *entry = json_object_get(state->server, "server");
    const json_t *events = json_object_get(state->events, "events");
    const char *name = json_string_value(json_object_get(entry, "state"));
    char *text;

    if (entry == NULL)
        return;
    details_begin(d, s);
    text = server_state_text(name, screen_is_ascii(s));
    details_line(d, "state", text);
    free(text);
    details_fields(d, s, entry, fields);
    details_title(d, "Datasets");
    add_datasets(d, json_object_get(state->server, "datasets"));
    if (json_array_size(events) > 0) {
        details_title(d, "Events");
        add_events(d, s, events);
    }
    details_end(d);
}

static void
answer(struct screen *s, unsigned tag, const json_t *result,
    const struct err *error)
{
    struct state *state = s->state;
    json_t **kept = tag == ASKED_SERVER ? &state->server : &state->events;

    if (tag == ASKED_SERVER)
        state->gone = error->code == ERR_NOT_FOUND;
    if (error->code != ERR_NONE)
        return;
    json_decref(*kept);
    *kept = json_incref((json_t *)result);
}

static void
draw(struct screen *s, struct area area)
{
    const struct state *state = s->state;

    area_putf(area, 0, 0, STYLE_STRONG, "Server %s", s->subject);
    if (state->gone) {
        area_put_wrapped(area, 2, 2, STYLE_PLAIN,
            "It is no server of this node any more.");
        return;
    }
    arrange(s);
    list_draw(list_of(s), s, area_part(area, 1, 0, area.height, area.width));
}

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
    struct state *state = s->state;

    server_set_interval(s, s->subject,
        json_integer_value(view_member(state->server, "server.interval_s")));
}

static void
key_remove(struct screen *s)
{
    server_remove(s, s->subject);
}

static void
key_trust(struct screen *s)
{
    struct state *state = s->state;
    const json_t *entry = json_object_get(state->server, "server");

    if (entry != NULL)
        server_trust(s, entry);
}

static void
key_overwrite(struct screen *s)
{
    struct state *state = s->state;
    const json_t *entry = json_object_get(state->server, "server");

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
    { { 'O' }, "Overwrite", "send everything again; asks for the name",
        KEY_PRIMARY, key_overwrite },
    KEYS_END,
};

const struct screen_view view_server = {
    .name = "server",
    .title = "Server",
    .state_size = sizeof(struct state),
    .keys = keys,
    .open = open_view,
    .close = close_view,
    .refresh = refresh,
    .answer = answer,
    .draw = draw,
    .list = list_of,
};

/*
 * Doctor: what this node finds wrong with itself and with its servers.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "manager-tui/details.h"
#include "manager-tui/view.h"
#include "manager-tui/views.h"

struct state {
    struct details details;
    json_t *checks;
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
    json_decref(state->checks);
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
    if (s->waiting == 0)
        screen_ask(s, "doctor", NULL, 0);
}

static void
answer(struct screen *s, unsigned tag, const json_t *result,
    const struct err *error)
{
    struct state *state = s->state;

    (void)tag;
    if (error->code != ERR_NONE)
        return;
    json_decref(state->checks);
    state->checks = json_incref(json_object_get(result, "checks"));
}

static const char *
text_of(const json_t *check, const char *member)
{
    const char *text = json_string_value(json_object_get(check, member));

    return text != NULL ? text : "";
}

/* What is wrong comes first, with what to do about it. */
static void
add_checks(struct details *d, const json_t *checks, bool ok)
{
    for (size_t i = 0; i < json_array_size(checks); i++) {
        const json_t *check = json_array_get(checks, i);
        char *label;

        if (json_is_true(json_object_get(check, "ok")) != ok)
            continue;
        label = alloc_format("%s %s", ok ? "+" : "!", text_of(check, "name"));
        details_line(d, label, text_of(check, "text"));
        free(label);
        if (text_of(check, "hint")[0] != '\0')
            details_line(d, "", text_of(check, "hint"));
    }
}

static void
draw(struct screen *s, struct area area)
{
    struct state *state = s->state;
    struct details *d = &state->details;

    if (state->checks != NULL) {
        details_begin(d, s);
        add_checks(d, state->checks, false);
        add_checks(d, state->checks, true);
        details_end(d);
    }
    area_put(area, 0, 0, STYLE_STRONG, "Doctor: what this node finds");
    list_draw(&d->list, s, area_part(area, 1, 0, area.height, area.width));
}

const struct screen_view view_doctor = {
    .name = "doctor",
    .title = "Doctor",
    .state_size = sizeof(struct state),
    .open = open_view,
    .close = close_view,
    .refresh = refresh,
    .answer = answer,
    .draw = draw,
    .list = list_of,
};

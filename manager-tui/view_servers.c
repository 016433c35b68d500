/*
 * Servers: the list of all of them.
 */
#include "manager-tui/screen_list.h"
#include "manager-tui/server_list.h"
#include "manager-tui/views.h"

struct state {
    struct screen_list list;
};

static void
open_view(struct screen *s)
{
    struct state *state = s->state;

    list_open(&state->list, &server_list_spec);
}

static void
close_view(struct screen *s)
{
    struct state *state = s->state;

    list_close(&state->list);
}

static struct screen_list *
list_of(struct screen *s)
{
    struct state *state = s->state;

    return &state->list;
}

static void
refresh(struct screen *s)
{
    if (s->waiting == 0)
        screen_ask(s, "server list", list_args(list_of(s), NULL), 0);
}

static void
answer(struct screen *s, unsigned tag, const json_t *result,
    const struct err *error)
{
    (void)tag;
    if (error->code == ERR_NONE)
        list_take(list_of(s), json_object_get(result, "servers"),
            json_integer_value(json_object_get(result, "total")));
}

static void
draw(struct screen *s, struct area area)
{
    if (screen_status(s) != NULL && !screen_is_primary(s)) {
        area_put_wrapped(area, 1, 2, STYLE_PLAIN,
            screen_is_read_only(s)
                ? "This node is a secondary: its primary has the servers."
                : "This node is standalone: it has no servers yet.");
        return;
    }
    list_draw(list_of(s), s, area);
}

const struct screen_view view_servers = {
    .name = "servers",
    .title = "Servers",
    .state_size = sizeof(struct state),
    .keys = server_keys,
    .open = open_view,
    .close = close_view,
    .refresh = refresh,
    .answer = answer,
    .draw = draw,
    .list = list_of,
    .enter = server_open_current,
};

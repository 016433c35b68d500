/*
 * Servers: the list of all of them.
 */
#include "manager-tui/screen_list.h"
#include "manager-tui/server_list.h"
#include "manager-tui/views.h"

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
    .rows = &server_list_spec,
    .command = "server list",
    .member = "servers",
    .keys = server_keys,
    .draw = draw,
    .enter = server_open_current,
};

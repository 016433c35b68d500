/*
 * Overview: what this node is, its datasets, and its servers, worst first.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "manager-tui/results.h"
#include "manager-tui/screen_list.h"
#include "manager-tui/server_list.h"
#include "manager-tui/text.h"
#include "manager-tui/view.h"
#include "manager-tui/views.h"

/* Rows below which nothing is spent on blanks. */
#define LOW 18
/* Datasets that are listed when the window is not high. */
#define DATASETS_LOW 3

struct state {
    struct screen_list servers;
    struct screen_list datasets; /* only to be seen */
};

static const struct list_column dataset_columns[] = {
    { { "DATASET", "name", COLUMN_TEXT, true }, 0, NULL, NULL },
    { { "REVISION", "revision", COLUMN_TEXT, false }, 0, NULL, NULL },
    { { "ROWS", "rows", COLUMN_TEXT, false }, 0, NULL, NULL },
    { { "LAST CHANGE", "last_change", COLUMN_AGE, false }, 1, NULL, NULL },
    { { "UNPUBLISHED", "unpublished", COLUMN_YES_NO, false }, 3, NULL, NULL },
    { { "SIZE", "bytes", COLUMN_BYTES, false }, 4, NULL, NULL },
    { { "HELD", "held", COLUMN_TEXT, true }, 2, NULL, NULL },
    LIST_COLUMNS_END,
};

static const struct list_spec dataset_spec = {
    .columns = dataset_columns,
    .key = "name",
    .empty = "No datasets.",
    .still = true,
};

static void
open_view(struct screen *s)
{
    struct state *state = s->state;

    list_open(&state->datasets, &dataset_spec);
}

static void
close_view(struct screen *s)
{
    struct state *state = s->state;

    list_close(&state->datasets);
}

static const char *
text_of(const struct screen *s, const char *path)
{
    const char *text = json_string_value(view_member(screen_status(s), path));

    return text != NULL ? text : "";
}

static int64_t
number_of(const struct screen *s, const char *path)
{
    return json_integer_value(view_member(screen_status(s), path));
}

/* Since when a secondary has what its primary has, as of when that was heard;
 * the rows that it takes. */
static int
draw_equality(struct screen *s, struct area a)
{
    const json_t *primary = view_member(screen_status(s), "cluster.primary");
    const json_t *since = json_member(primary, "equal_since");
    char *when = screen_time(s, since);
    char *heard = screen_time(s, json_member(primary, "last_heard"));
    bool equal = json_is_string(since);
    char *text = alloc_format("%s%s, primary last heard %s",
        equal ? "equal with it since " : "not known to be equal with it",
        equal ? when : "", heard);
    int rows = area_put_wrapped(a, 0, 0, equal ? STYLE_GOOD : STYLE_WARN, text);

    free(text);
    free(heard);
    free(when);
    return rows;
}

/* Who this node is to whom; the rows that it takes. */
static int
draw_role(struct screen *s, struct area a)
{
    int x = area_put(a, 0, 0, STYLE_STRONG, text_of(s, "node.name")), y;

    if (screen_is_primary(s)) {
        area_putf(a, 0, x, STYLE_PLAIN,
            " is the primary of the cluster \"%s\", epoch %lld",
            text_of(s, "cluster.name"),
            (long long)number_of(s, "cluster.epoch"));
        return 1;
    }
    if (!screen_is_read_only(s)) {
        area_put(a, 0, x, STYLE_PLAIN, " is a standalone node");
        return 1;
    }
    area_putf(a, 0, x, STYLE_PLAIN, " is a secondary of \"%s\" at %s",
        text_of(s, "cluster.primary.name"),
        text_of(s, "cluster.primary.address"));
    area_putf(a, 1, 0, STYLE_PLAIN, "cluster \"%s\", epoch %lld",
        text_of(s, "cluster.name"), (long long)number_of(s, "cluster.epoch"));
    y = 2 + draw_equality(s, area_part(a, 2, 0, a.height, a.width));
    return y + area_put_wrapped(area_part(a, y, 0, a.height, a.width), 0, 0,
                   STYLE_WARN,
                   "Read-only: changes are made on the primary and arrive "
                   "here by themselves.");
}

static int
draw_node(struct screen *s, struct area a)
{
    bool enabled = json_is_true(view_member(screen_status(s), "sync.enabled"));
    bool healthy = json_is_true(view_member(screen_status(s), "healthy"));
    char up[32], every[32];
    int y = draw_role(s, a);

    text_duration(number_of(s, "node.uptime_s") * 1000, up);
    text_duration(number_of(s, "sync.interval_ms"), every);
    area_putf(a, y, 0, STYLE_PLAIN, "version %s, up %s, listens on %s",
        text_of(s, "node.version"), up, text_of(s, "address"));
    area_putf(a, y + 1, 0, STYLE_PLAIN, "host key %s",
        text_of(s, "node.fingerprint"));
    y += 2;
    if (screen_is_primary(s)) {
        if (enabled)
            area_putf(a, y++, 0, STYLE_PLAIN, "sync every %s%s", every,
                json_is_true(view_member(screen_status(s), "sync.instant"))
                    ? ", and at once on every commit"
                    : "");
        else
            area_put(a, y++, 0, STYLE_WARN, "sync is off");
    }
    if (healthy)
        area_putf(a, y++, 0, STYLE_GOOD, "%s all is well",
            a.canvas->ascii ? "+" : "●");
    else
        y += area_put_wrapped(area_part(a, y, 0, 2, a.width), 0, 0, STYLE_BAD,
            text_of(s, "problem"));
    return y;
}

static void
draw_beginning(struct area a)
{
    area_put_wrapped(a, 0, 0, STYLE_PLAIN,
        "This node works alone.  Its first server makes it the primary of a "
        "new cluster; whatever that server has is overwritten with what is "
        "here, and it keeps a backup.\n\nTo begin, press a: Add a server.");
}

static void
draw(struct screen *s, struct area area)
{
    struct state *state = s->state;
    const json_t *datasets = view_member(screen_status(s), "datasets");
    struct area a = area_part(area, 0, 1, area.height, area.width - 1);
    int gap = area.height >= LOW ? 1 : 0, y, rows;

    if (screen_status(s) == NULL) {
        area_put(a, 0, 0, STYLE_DIM, "Waiting for the node.");
        return;
    }
    y = draw_node(s, a) + gap;
    list_take(&state->datasets, datasets, -1);
    rows = (int)json_array_size(datasets) + 1;
    if (rows > DATASETS_LOW + 1 && area.height < 2 * LOW)
        rows = DATASETS_LOW + 1;
    list_draw(&state->datasets, s, area_part(area, y, 0, rows, area.width));
    y += rows + gap;
    if (screen_is_primary(s))
        list_draw(&state->servers, s,
            area_part(area, y, 0, area.height, area.width));
    else if (!screen_is_read_only(s))
        draw_beginning(area_part(a, y, 0, a.height, a.width));
}

const struct screen_view view_overview = {
    .name = "overview",
    .title = "Overview",
    .rows = &server_list_spec,
    .command = "server list",
    .member = "servers",
    .state_size = sizeof(struct state),
    .keys = server_keys,
    .open = open_view,
    .close = close_view,
    .draw = draw,
    .enter = server_open_current,
};

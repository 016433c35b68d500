/*
 * History of one dataset: its revisions, the newest first.
 */
#include "manager-tui/screen_list.h"
#include "manager-tui/view_rows.h"
#include "manager-tui/views.h"

#define REVISIONS_SHOWN 500

static const struct list_column columns[] = {
    { { "REVISION", "revision", COLUMN_TEXT, false }, 0, NULL, NULL },
    { { "TIME", "time", COLUMN_AGE, false }, 0, NULL, NULL },
    { { "ROWS", "rows", COLUMN_TEXT, false }, 4, NULL, NULL },
    { { "+", "added", COLUMN_TEXT, false }, 1, NULL, NULL },
    { { "~", "changed", COLUMN_TEXT, false }, 1, NULL, NULL },
    { { "-", "removed", COLUMN_TEXT, false }, 1, NULL, NULL },
    { { "DDL", "ddl", COLUMN_YES_NO, false }, 6, NULL, NULL },
    { { "WHO", "who", COLUMN_TEXT, true }, 0, NULL, NULL },
    { { "FOUND BY", "found", COLUMN_TEXT, false }, 3, NULL, NULL },
    { { "REASON", "reason", COLUMN_TEXT, true }, 2, NULL, NULL },
    LIST_COLUMNS_END,
};

static const struct list_spec spec = {
    .columns = columns,
    .key = "revision",
    .empty = "History holds no revision.",
};

static json_t *
args(struct screen *s)
{
    return json_pack("{s:s, s:i}", "name", s->subject, "limit",
        REVISIONS_SHOWN);
}

static void
draw(struct screen *s, struct area area)
{
    area_putf(area, 0, 0, STYLE_STRONG, "History of %s", s->subject);
    list_draw(list_of(s), s, area_part(area, 1, 0, area.height, area.width));
}

static void
enter(struct screen *s)
{
    const json_t *row = list_current(list_of(s));

    rows_show_revision(s, s->subject,
        json_integer_value(json_object_get(row, "revision")));
}

static void
key_unpublished(struct screen *s)
{
    rows_show_unpublished(s, s->subject);
}

static const struct key_binding keys[] = {
    { { PRESS_F(5), 'u' }, "Unpublished", "what the next publish would make",
        KEY_WRITES, key_unpublished },
    KEYS_END,
};

const struct screen_view view_history = {
    .name = "history",
    .title = "History",
    .rows = &spec,
    .command = "dataset history",
    .member = "history",
    .args = args,
    .keys = keys,
    .draw = draw,
    .enter = enter,
};

/*
 * Changes: the datasets, and from each to its history, to what is not published
 * yet, and to what one server lacks or holds otherwise.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "manager-tui/form.h"
#include "manager-tui/screen_list.h"
#include "manager-tui/view_rows.h"
#include "manager-tui/views.h"

static enum style
state_style(const json_t *row)
{
    const char *state = json_string_value(json_object_get(row, "state"));

    return state != NULL && strcmp(state, "ready") == 0 ? STYLE_GOOD
                                                        : STYLE_WARN;
}

static enum style
held_style(const json_t *row)
{
    (void)row;
    return STYLE_BAD;
}

static const struct list_column columns[] = {
    { { "DATASET", "name", COLUMN_TEXT, true }, 0, NULL, NULL },
    { { "STATE", "state", COLUMN_TEXT, false }, 0, state_style, NULL },
    { { "REVISION", "revision", COLUMN_TEXT, false }, 0, NULL, NULL },
    { { "ROWS", "rows", COLUMN_TEXT, false }, 3, NULL, NULL },
    { { "LAST CHANGE", "last_change", COLUMN_AGE, false }, 1, NULL, NULL },
    { { "UNPUBLISHED", "unpublished", COLUMN_YES_NO, false }, 2, NULL, NULL },
    { { "SIZE", "bytes", COLUMN_BYTES, false }, 4, NULL, NULL },
    { { "HELD", "held", COLUMN_TEXT, true }, 1, held_style, NULL },
    LIST_COLUMNS_END,
};

static const struct list_spec spec = {
    .columns = columns,
    .key = "name",
    .empty = "No datasets.",
};

static void
draw(struct screen *s, struct area area)
{
    if (screen_is_read_only(s)) {
        area_put(area, 0, 0, STYLE_DIM,
            "History and differences are the primary's: look there.");
        area = area_part(area, 1, 0, area.height, area.width);
    }
    list_draw(list_of(s), s, area);
}

static void
enter(struct screen *s)
{
    if (!screen_is_read_only(s))
        screen_push(s, &view_history, list_current_key(list_of(s)));
}

static void
key_unpublished(struct screen *s)
{
    const char *dataset = list_current_key(list_of(s));

    if (dataset != NULL)
        rows_show_unpublished(s, dataset);
}

static const struct form_field server_fields[] = {
    { "server", "Server", FIELD_TEXT, NULL, "its name", true },
    FIELDS_END,
};

static void
server_named(struct form *f, const json_t *result)
{
    const json_t *dataset = json_object_get(form_fixed(f), "dataset");

    (void)result;
    rows_show_server(form_screen(f), json_string_value(dataset),
        form_typed(f, "server"));
}

static void
key_server(struct screen *s)
{
    static const struct form_spec form = { .title = "What a server lacks",
        .submit = "Show",
        .fields = server_fields,
        .finish = server_named };
    const char *dataset = list_current_key(list_of(s));
    char *text;

    if (dataset == NULL)
        return;
    text = alloc_format(
        "What a server lacks of \"%s\", or holds otherwise because it drifted.",
        dataset);
    form_open(s, &form, text, json_pack("{s:s}", "dataset", dataset), NULL);
    free(text);
}

static const struct key_binding keys[] = {
    { { PRESS_F(5), 'u' }, "Unpublished", "what the next publish would make",
        KEY_WRITES, key_unpublished },
    { { PRESS_F(6), 'd' }, "Server",
        "what a server lacks, or holds otherwise (drift)", KEY_PRIMARY,
        key_server },
    KEYS_END,
};

const struct screen_view view_changes = {
    .name = "changes",
    .title = "Changes",
    .rows = &spec,
    .command = "dataset list",
    .member = "datasets",
    .keys = keys,
    .draw = draw,
    .enter = enter,
};

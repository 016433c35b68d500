/*
 * Lines of labels and texts.
 */
#include "manager-tui/details.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "manager-tui/manager.h"
#include "manager-tui/text.h"

#define LABEL_WIDTH 22
#define LEAST_TEXT 20

static enum style
label_style(const json_t *row)
{
    return json_is_true(json_object_get(row, "title")) ? STYLE_STRONG
                                                       : STYLE_DIM;
}

static const struct list_column columns[] = {
    { { "", "label", COLUMN_TEXT, false }, 0, label_style, NULL },
    { { "", "text", COLUMN_TEXT, true }, 0, NULL, NULL },
    LIST_COLUMNS_END,
};

static const struct list_spec spec = {
    .columns = columns,
    .key = "line",
    .empty = "Nothing is known yet.",
};

void
details_open(struct details *d)
{
    list_open(&d->list, &spec);
}

void
details_close(struct details *d)
{
    list_close(&d->list);
    json_decref(d->rows);
}

void
details_begin(struct details *d, const struct screen *s)
{
    d->width = s->m->body.width - LABEL_WIDTH;
    if (d->width < LEAST_TEXT)
        d->width = LEAST_TEXT;
    json_decref(d->rows);
    d->rows = json_array();
}

static void
add(struct details *d, const char *label, const char *text, bool title)
{
    json_t *row = json_object();

    json_object_set_new(row, "line",
        json_integer((json_int_t)json_array_size(d->rows)));
    json_object_set_new(row, "label", json_string(label));
    json_object_set_new(row, "text", json_string(text));
    json_object_set_new(row, "title", json_boolean(title));
    json_array_append_new(d->rows, row);
}

void
details_line(struct details *d, const char *label, const char *text)
{
    char *safe = screen_text(text, false);
    const char *rest = safe;

    d->last = json_array_size(d->rows);
    do {
        size_t len = text_fit(rest, (size_t)d->width);
        char *line;

        if (rest[len] != '\0') {
            size_t blank = len;

            while (blank > 0 && rest[blank] != ' ')
                blank--;
            len = blank > 0 ? blank : len > 0 ? len : 1;
        }
        line = alloc_copy(rest, len);
        add(d, label, line, false);
        free(line);
        rest += len;
        rest += *rest == ' ';
        label = "";
    } while (*rest != '\0');
    free(safe);
}

void
details_thing(struct details *d, const char *kind, json_t *thing)
{
    for (size_t i = d->last; i < json_array_size(d->rows); i++) {
        json_t *row = json_array_get(d->rows, i);

        json_object_set_new(row, "kind", json_string(kind));
        json_object_set(row, "thing", thing);
    }
    json_decref(thing);
}

void
details_title(struct details *d, const char *title)
{
    if (json_array_size(d->rows) > 0)
        add(d, "", "", false);
    add(d, title, "", true);
}

void
details_fields(struct details *d, const struct screen *s, const json_t *object,
    const struct column *fields)
{
    for (; fields->title != NULL; fields++) {
        const struct list_column column = { *fields, 0, NULL, NULL };
        char *cell;

        if (view_member(object, fields->member) == NULL)
            continue;
        cell = list_cell(&column, s, object, false);
        details_line(d, fields->title, cell);
        free(cell);
    }
}

void
details_end(struct details *d)
{
    list_take(&d->list, d->rows, -1);
}

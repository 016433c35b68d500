/*
 * Lines of labels and texts.
 */
#include "manager-tui/details.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "manager-tui/manager.h"
#include "manager-tui/text.h"

/* Before the labels, and between them and the texts. */
#define AROUND_LABELS 4
#define LEAST_TEXT 20

static enum style
label_style(const json_t *row)
{
    return json_is_true(json_object_get(row, "title")) ? STYLE_STRONG
                                                       : STYLE_DIM;
}

static const struct list_column columns[] = {
    { { "", "label", COLUMN_TEXT, true }, 0, label_style, NULL },
    { { "", "text", COLUMN_TEXT, true }, 0, NULL, NULL },
    LIST_COLUMNS_END,
};

const struct list_spec details_rows = {
    .columns = columns,
    .key = "line",
    .empty = "Nothing is known yet.",
};

void
details_line(struct details *d, const char *label, const char *text)
{
    json_array_append_new(d->lines,
        json_pack("{s:s, s:s}", "label", label, "text", text));
}

void
details_thing(struct details *d, const char *kind, json_t *thing)
{
    json_t *line = json_array_get(d->lines, json_array_size(d->lines) - 1);

    json_object_set_new(line, "kind", json_string(kind));
    json_object_set_new(line, "thing", thing);
}

void
details_title(struct details *d, const char *title)
{
    if (json_array_size(d->lines) > 0)
        details_line(d, "", "");
    details_line(d, title, "");
    json_object_set_new(json_array_get(d->lines, json_array_size(d->lines) - 1),
        "title", json_true());
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

static size_t
label_width(const json_t *line)
{
    char *safe =
        screen_text(json_string_value(json_object_get(line, "label")), false);
    size_t width = text_width(safe);

    free(safe);
    return width;
}

/* As much of TEXT as fits WIDTH columns, to a blank where there is one. */
static size_t
first_part(const char *text, size_t width)
{
    size_t len = text_fit(text, width), blank = len;

    if (text[len] == '\0')
        return len;
    while (blank > 0 && text[blank] != ' ')
        blank--;
    return blank > 0 ? blank : len > 0 ? len : 1;
}

/* The rows of one line, each of them about the same. */
static void
wrap(json_t *rows, const json_t *line, size_t width)
{
    char *safe =
        screen_text(json_string_value(json_object_get(line, "text")), false);
    const char *rest = safe;

    for (bool first = true; first || *rest != '\0'; first = false) {
        size_t len = first_part(rest, width);
        json_t *row = json_copy((json_t *)line);

        json_object_set_new(row, "line",
            json_integer((json_int_t)json_array_size(rows)));
        json_object_set_new(row, "text", json_stringn(rest, len));
        if (!first)
            json_object_set_new(row, "label", json_string(""));
        json_array_append_new(rows, row);
        rest += len;
        rest += *rest == ' ';
    }
    free(safe);
}

static void
show(struct details *d, const struct screen *s)
{
    size_t all = (size_t)s->m->body.width, labels = 0, width = LEAST_TEXT;
    json_t *rows = json_array(), *line;
    size_t i;

    json_array_foreach (d->lines, i, line)
        if (label_width(line) > labels)
            labels = label_width(line);
    if (all > labels + AROUND_LABELS + width)
        width = all - labels - AROUND_LABELS;
    json_array_foreach (d->lines, i, line)
        wrap(rows, line, width);
    list_take(&d->list, rows, -1);
    json_decref(rows);
}

void
details_close(struct screen *s)
{
    struct details *d = s->state;

    for (size_t i = 0; i < DETAILS_ASKS; i++)
        json_decref(d->answers[i]);
    json_decref(d->lines);
}

const json_t *
details_of(const struct screen *s)
{
    const struct details *d = s->state;

    return d->answers[0];
}

void
details_refresh(struct screen *s)
{
    const struct details_spec *spec = s->view->details;

    for (unsigned i = 0; i < DETAILS_ASKS && spec->asks[i].command != NULL;
         i++) {
        json_t *args = NULL;

        if (spec->asks[i].by_name)
            args = json_pack("{s:s}", "name", s->subject);
        else if (spec->asks[i].args != NULL)
            args = spec->asks[i].args(s);
        screen_ask(s, spec->asks[i].command, args, i);
    }
}

void
details_answer(struct screen *s, unsigned tag, const json_t *result,
    const struct err *error)
{
    struct details *d = s->state;

    if (tag == 0)
        d->gone = error->code == ERR_NOT_FOUND;
    if (error->code != ERR_NONE)
        return;
    json_decref(d->answers[tag]);
    d->answers[tag] = json_incref((json_t *)result);
}

/* The lines are gathered anew: times in them go on. */
void
details_draw(struct screen *s, struct area area)
{
    const struct details_spec *spec = s->view->details;
    struct details *d = s->state;

    if (spec->title != NULL) {
        area_putf(area, 0, 0, STYLE_STRONG, "%s%s%s", spec->title,
            s->subject != NULL ? " " : "",
            s->subject != NULL ? s->subject : "");
        area = area_part(area, 1, 0, area.height, area.width);
    }
    if (d->gone && spec->gone != NULL) {
        area_put_wrapped(area, 1, 2, STYLE_PLAIN, spec->gone);
        return;
    }
    if (d->answers[0] != NULL) {
        json_decref(d->lines);
        d->lines = json_array();
        spec->arrange(s, d);
        show(d, s);
    }
    list_draw(&d->list, s, area);
}

/*
 * The rows of a list: which pass the filter, in which order, and where the
 * cursor is among them.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/escape.h"
#include "manager-tui/screen_list.h"

/* Rows that are asked for at once around what is seen. */
#define PAGE_ROWS 400
#define PAGE_AHEAD 150
/* How near to the end of what is here more is asked for. */
#define ROWS_AHEAD 75

void
list_open(struct screen_list *list, const struct list_spec *spec)
{
    *list = (struct screen_list){ .spec = spec,
        .rows = json_array(),
        .marks = json_object(),
        .sort = -1 };
    line_set(&list->filter, "");
}

void
list_close(struct screen_list *list)
{
    json_decref(list->rows);
    json_decref(list->marks);
    line_release(&list->filter);
    free(list->shown);
    free(list->current);
}

size_t
list_column_count(const struct list_spec *spec)
{
    size_t count = 0;

    while (spec->columns[count].column.title != NULL)
        count++;
    return count;
}

/* Where a page begins so that what is seen lies well inside. */
static size_t
page_begin(const struct screen_list *list)
{
    return list->top > PAGE_AHEAD ? list->top - PAGE_AHEAD : 0;
}

bool
list_wants_rows(const struct screen_list *list)
{
    size_t end = list->offset + json_array_size(list->rows);
    size_t seen = list->top + (size_t)list->area.height + ROWS_AHEAD;

    if (!list->spec->paged || !list->known || list->asked == page_begin(list))
        return false;
    return (list->offset > 0 && list->top < list->offset + ROWS_AHEAD) ||
           (seen > end && end < list->total);
}

json_t *
list_args(struct screen_list *list, json_t *args)
{
    if (args == NULL)
        args = json_object();
    if (!list->spec->paged)
        return args;
    if (list->filter.text[0] != '\0')
        json_object_set_new(args, "filter", json_string(list->filter.text));
    if (list->sort >= 0) {
        json_object_set_new(args, "sort",
            json_string(list->spec->columns[list->sort].column.member));
        json_object_set_new(args, "descending", json_boolean(list->descending));
    }
    list->asked = page_begin(list);
    json_object_set_new(args, "offset", json_integer((json_int_t)list->asked));
    json_object_set_new(args, "limit", json_integer(PAGE_ROWS));
    return args;
}

const json_t *
list_row(const struct screen_list *list, size_t place)
{
    if (place >= list->total)
        return NULL;
    if (!list->spec->paged)
        return json_array_get(list->rows, list->shown[place]);
    return place >= list->offset
               ? json_array_get(list->rows, place - list->offset)
               : NULL;
}

char *
list_key_of(const struct screen_list *list, const json_t *row)
{
    const json_t *value =
        row != NULL ? view_member(row, list->spec->key) : NULL;

    if (json_is_string(value))
        return alloc_string(json_string_value(value));
    if (json_is_integer(value))
        return alloc_format("%lld", (long long)json_integer_value(value));
    return NULL;
}

char *
list_cell(const struct list_column *column, const struct screen *s,
    const json_t *row, bool ascii)
{
    if (column->text != NULL)
        return column->text(row, ascii);
    if (column->column.kind == COLUMN_AGE && s != NULL)
        return screen_time(s, view_member(row, column->column.member));
    return view_cell(row, &column->column);
}

/* Any cell has the filter's text in it. */
static bool
row_passes(const struct screen_list *list, const json_t *row)
{
    const struct list_column *columns = list->spec->columns;
    bool passes = list->filter.text[0] == '\0';

    for (size_t i = 0; !passes && columns[i].column.title != NULL; i++) {
        char *cell = view_cell(row, &columns[i].column);

        passes = strcasestr(cell, list->filter.text) != NULL;
        free(cell);
    }
    return passes;
}

/* Numbers by value, texts by letters, what is missing last. */
static int
compare_values(const json_t *a, const json_t *b)
{
    if (a == NULL || b == NULL)
        return (a == NULL) - (b == NULL);
    if (json_is_number(a) && json_is_number(b)) {
        double one = json_number_value(a), two = json_number_value(b);

        return (one > two) - (one < two);
    }
    if (json_is_string(a) && json_is_string(b))
        return strcasecmp(json_string_value(a), json_string_value(b));
    return json_is_true(b) - json_is_true(a);
}

static int
compare_rows(const void *a, const void *b, void *ctx)
{
    const struct screen_list *list = ctx;
    const char *member = list->spec->columns[list->sort].column.member;
    size_t one = *(const size_t *)a, two = *(const size_t *)b;
    int order;

    if (list->spec->pinned && (one == 0 || two == 0))
        return one == two ? 0 : one == 0 ? -1 : 1;
    order = compare_values(view_member(json_array_get(list->rows, one), member),
        view_member(json_array_get(list->rows, two), member));
    if (order == 0)
        return one < two ? -1 : one > two;
    return list->descending ? -order : order;
}

/* The cursor's row may be elsewhere now, or gone. */
static void
find_current(struct screen_list *list)
{
    size_t first = list->spec->paged ? list->offset : 0;
    size_t end =
        list->spec->paged ? first + json_array_size(list->rows) : list->total;
    size_t seen = list->cursor - list->top;

    for (size_t i = first; list->current != NULL && i < end; i++) {
        char *key = list_key_of(list, list_row(list, i));
        bool same = key != NULL && strcmp(key, list->current) == 0;

        free(key);
        if (!same)
            continue;
        list->cursor = i;
        /* It stays where the eye is. */
        list->top = i > seen ? i - seen : 0;
        break;
    }
    if (list->cursor >= list->total)
        list->cursor = list->total > 0 ? list->total - 1 : 0;
    if (list->top > list->cursor)
        list->top = list->cursor;
}

void
list_arrange(struct screen_list *list)
{
    size_t count = json_array_size(list->rows);

    if (!list->spec->paged) {
        list->shown =
            alloc_resize(list->shown, count + 1, sizeof(*list->shown));
        list->total = 0;
        for (size_t i = 0; i < count; i++)
            if (row_passes(list, json_array_get(list->rows, i)))
                list->shown[list->total++] = i;
        if (list->sort >= 0)
            qsort_r(list->shown, list->total, sizeof(*list->shown),
                compare_rows, list);
    }
    find_current(list);
}

void
list_take(struct screen_list *list, const json_t *rows, int64_t total)
{
    json_decref(list->rows);
    list->rows =
        json_is_array(rows) ? json_incref((json_t *)rows) : json_array();
    list->known = true;
    if (list->spec->paged) {
        list->total = total > 0 ? (size_t)total : 0;
        list->offset = list->asked;
    }
    list_arrange(list);
}

const json_t *
list_current(const struct screen_list *list)
{
    return list_row(list, list->cursor);
}

const char *
list_current_key(const struct screen_list *list)
{
    const json_t *row = list_current(list);

    return row != NULL ? json_string_value(view_member(row, list->spec->key))
                       : NULL;
}

json_t *
list_chosen(const struct screen_list *list)
{
    json_t *chosen = json_array(), *ignored;
    const char *key;
    char *current;

    json_object_foreach (list->marks, key, ignored)
        json_array_append_new(chosen, json_string(key));
    if (json_array_size(chosen) > 0)
        return chosen;
    current = list_key_of(list, list_current(list));
    if (current != NULL)
        json_array_append_new(chosen, json_string(current));
    free(current);
    return chosen;
}

void
list_unmark(struct screen_list *list)
{
    json_object_clear(list->marks);
}

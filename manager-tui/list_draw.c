/*
 * How a list looks: as many columns as fit, the cursor's row always in sight.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "manager-tui/manager.h"
#include "manager-tui/screen_list.h"
#include "manager-tui/text.h"

#define COLUMNS_MAX 24
#define GUTTER 2 /* for the cursor and the mark */
#define LEAST_WIDTH 8
#define GAP 2

struct layout {
    int widths[COLUMNS_MAX]; /* 0: left out */
    size_t count;
};

static int
total_width(const struct layout *l)
{
    int total = 0;

    for (size_t i = 0; i < l->count; i++)
        total += l->widths[i] > 0 ? l->widths[i] + (total > 0 ? GAP : 0) : 0;
    return total;
}

/* The widest cells of what is seen. */
static void
measure(const struct screen_list *list, const struct screen *s,
    struct layout *l, size_t rows, bool ascii)
{
    l->count = list_column_count(list->spec);
    if (l->count > COLUMNS_MAX)
        l->count = COLUMNS_MAX;
    for (size_t i = 0; i < l->count; i++) {
        const struct list_column *column = &list->spec->columns[i];
        size_t widest =
            text_width(column->column.title) + (list->sort == (int)i ? 1 : 0);

        for (size_t k = 0; k < rows; k++) {
            const json_t *row = list_row(list, list->top + k);
            char *cell, *safe;

            if (row == NULL)
                continue;
            cell = list_cell(column, s, row, ascii);
            safe = screen_text(cell, ascii);
            if (text_width(safe) > widest)
                widest = text_width(safe);
            free(safe);
            free(cell);
        }
        l->widths[i] = (int)(widest < 400 ? widest : 400);
    }
}

/* Cuts what may be cut, then leaves out what matters least. */
static void
fit(const struct screen_list *list, struct layout *l, int width)
{
    while (total_width(l) > width) {
        size_t widest = l->count, least = l->count;

        for (size_t i = 0; i < l->count; i++) {
            const struct list_column *column = &list->spec->columns[i];

            if (l->widths[i] == 0)
                continue;
            if (column->column.flexible && l->widths[i] > LEAST_WIDTH &&
                (widest == l->count || l->widths[i] > l->widths[widest]))
                widest = i;
            if (column->rank > 0 &&
                (least == l->count ||
                    column->rank > list->spec->columns[least].rank))
                least = i;
        }
        /* A column is worth more than the end of a long text. */
        if (widest < l->count &&
            (least == l->count || l->widths[widest] > 3 * LEAST_WIDTH))
            l->widths[widest]--;
        else if (least < l->count)
            l->widths[least] = 0;
        else
            return;
    }
}

static void
draw_titles(struct screen_list *list, const struct layout *l, struct area a)
{
    int x = GUTTER;

    memset(list->column_ends, 0, sizeof(list->column_ends));
    for (size_t i = 0; i < l->count; i++) {
        int columns;

        if (l->widths[i] == 0)
            continue;
        columns = area_put_cut(a, 0, x, l->widths[i], STYLE_DIM,
            list->spec->columns[i].column.title);
        if (list->sort == (int)i)
            area_put(a, 0, x + columns, STYLE_STRONG,
                list->descending ? "v" : "^");
        x += l->widths[i] + GAP;
        list->column_ends[i] = x;
    }
}

static void
draw_row(struct screen_list *list, const struct screen *s,
    const struct layout *l, struct area a, int y, const json_t *row, bool here)
{
    int selected = here ? STYLE_SELECTED : 0, x = GUTTER;
    char *key = list_key_of(list, row);

    area_fill(a, y, STYLE_PLAIN | selected);
    if (here)
        area_put(a, y, 0, STYLE_PLAIN | selected, ">");
    if (key != NULL && json_object_get(list->marks, key) != NULL)
        area_put(a, y, 1, STYLE_STRONG | selected, "*");
    free(key);
    if (row == NULL) {
        area_put(a, y, x, STYLE_DIM | selected, "...");
        return;
    }
    for (size_t i = 0; i < l->count; i++) {
        const struct list_column *column = &list->spec->columns[i];
        int style =
            column->style != NULL ? (int)column->style(row) : STYLE_PLAIN;
        char *cell;

        if (l->widths[i] == 0)
            continue;
        cell = list_cell(column, s, row, a.canvas->ascii);
        area_put_cut(a, y, x, l->widths[i], style | selected, cell);
        free(cell);
        x += l->widths[i] + GAP;
    }
}

static void
draw_filter(struct screen_list *list, struct area a)
{
    size_t marks = json_object_size(list->marks);
    int x = area_put(a, 0, 0, STYLE_DIM, "Filter: ");
    char count[64];
    int width;

    snprintf(count, sizeof(count), "  %zu %s", list->total,
        list->total == 1 ? "row" : "rows");
    if (marks > 0)
        snprintf(count + strlen(count), sizeof(count) - strlen(count),
            ", %zu marked", marks);
    width = a.width - x - (int)strlen(count);
    line_draw(&list->filter, a, 0, x, width, list->filtering);
    area_put(a, 0, x + width, STYLE_DIM, count);
}

static void
keep_in_sight(struct screen_list *list, size_t rows)
{
    if (rows == 0)
        return;
    if (list->cursor < list->top)
        list->top = list->cursor;
    if (list->cursor >= list->top + rows)
        list->top = list->cursor - rows + 1;
    if (list->top + rows > list->total)
        list->top = list->total > rows ? list->total - rows : 0;
}

void
list_draw(struct screen_list *list, struct screen *s, struct area a)
{
    bool filter = list->filtering || list->filter.text[0] != '\0' ||
                  json_object_size(list->marks) > 0;
    struct area rows =
        area_part(a, 1, 0, a.height - 1 - (filter ? 1 : 0), a.width);
    struct layout l;

    list->area = rows;
    keep_in_sight(list, (size_t)rows.height);
    free(list->current);
    list->current = list_key_of(list, list_current(list));
    measure(list, s, &l, (size_t)rows.height, a.canvas->ascii);
    fit(list, &l, a.width - GUTTER);
    draw_titles(list, &l, a);
    if (filter)
        draw_filter(list, area_part(a, a.height - 1, 0, 1, a.width));
    if (list->total == 0) {
        area_put_wrapped(rows, 0, GUTTER, STYLE_DIM,
            !list->known                   ? "Waiting for the node."
            : list->filter.text[0] != '\0' ? "Nothing passes the filter."
                                           : list->spec->empty);
        return;
    }
    for (int y = 0; y < rows.height && list->top + (size_t)y < list->total;
         y++) {
        size_t place = list->top + (size_t)y;

        if (s->m->plain && list_row(list, place) == NULL) {
            area_putf(rows, y, GUTTER, STYLE_DIM, "and %zu more",
                list->total - place);
            break;
        }
        draw_row(list, s, &l, rows, y, list_row(list, place),
            place == list->cursor && !s->m->plain && !list->spec->still);
    }
}

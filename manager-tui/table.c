/*
 * Cells laid out: tables that fit the width, and lists of fields.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "manager-tui/text.h"
#include "manager-tui/view.h"

#define COLUMNS_MAX 24
#define GAP 2      /* blanks between columns */
#define INDENT 4   /* of a text below its row */
#define LEAST 8    /* columns of what is cut */
#define COMFORT 24 /* columns that a text keeps as long as others can give */

struct table {
    const struct column *columns[COLUMNS_MAX];
    size_t widths[COLUMNS_MAX];
    size_t count; /* of columns that are shown */
    size_t rows;
    size_t all;                  /* columns, and cells of a row */
    char **cells;                /* row by row */
    size_t indexes[COLUMNS_MAX]; /* of a shown column among all */
    bool split_titles;           /* one word a line */
    bool text_below;             /* the last column stands below its row */
};

static const char *
cell_of(const struct table *t, size_t row, size_t column)
{
    return t->cells[row * t->all + t->indexes[column]];
}

static size_t
longest_word(const char *text)
{
    size_t longest = 0;

    while (*text != '\0') {
        size_t len = strcspn(text, " ");

        longest = len > longest ? len : longest;
        text += len + (text[len] == ' ');
    }
    return longest;
}

/* The widths that nothing has to be cut for. */
static void
measure(struct table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        const char *title = t->columns[i]->title;

        t->widths[i] =
            t->split_titles ? longest_word(title) : text_width(title);
        for (size_t row = 0; row < t->rows; row++) {
            size_t width = text_width(cell_of(t, row, i));

            t->widths[i] = width > t->widths[i] ? width : t->widths[i];
        }
    }
}

static size_t
total_width(const struct table *t)
{
    size_t total = 0;

    for (size_t i = 0; i < t->count; i++)
        total += t->widths[i] + (i > 0 ? GAP : 0);
    return total;
}

/* Takes from the widest flexible columns, down to LEAST_WIDTH each, what is
 * too much; false when it is still too much. */
static bool
shrink(struct table *t, size_t width, size_t least_width)
{
    for (;;) {
        size_t widest = t->count;

        if (total_width(t) <= width)
            return true;
        for (size_t i = 0; i < t->count; i++)
            if (t->columns[i]->flexible && t->widths[i] > least_width &&
                (widest == t->count || t->widths[i] > t->widths[widest]))
                widest = i;
        if (widest == t->count)
            return false;
        t->widths[widest]--;
    }
}

static bool
has_value(const struct table *t, size_t column)
{
    for (size_t row = 0; row < t->rows; row++)
        if (strcmp(cell_of(t, row, column), "-") != 0)
            return true;
    return false;
}

static void
drop_empty_columns(struct table *t)
{
    size_t kept = 0;

    for (size_t i = 0; i < t->count; i++) {
        if (i > 0 && !has_value(t, i))
            continue;
        t->columns[kept] = t->columns[i];
        t->indexes[kept++] = t->indexes[i];
    }
    t->count = kept;
}

static bool
has_sentence(const struct table *t, size_t column)
{
    for (size_t row = 0; row < t->rows; row++)
        if (strchr(cell_of(t, row, column), ' ') != NULL)
            return true;
    return false;
}

/* A last column of sentences goes on in its own column where that is wide
 * enough, or else below the row. */
static bool
wrap_last(struct table *t, size_t width)
{
    size_t last = t->count - 1, whole = t->widths[last];

    if (last == 0 || whole <= COMFORT ||
        t->columns[last]->kind != COLUMN_TEXT || t->columns[last]->flexible ||
        !has_sentence(t, last))
        return false;
    t->widths[last] = COMFORT;
    if (shrink(t, width, LEAST)) {
        t->widths[last] += width - total_width(t);
        return true;
    }
    t->count--;
    if (!shrink(t, width, LEAST)) {
        t->count++;
        t->widths[last] = whole;
        return false;
    }
    t->text_below = true;
    return true;
}

/* False: it cannot be a table of that width. */
static bool
fit(struct table *t, size_t width)
{
    measure(t);
    if (total_width(t) <= width)
        return true;
    drop_empty_columns(t);
    measure(t);
    if (shrink(t, width, COMFORT))
        return true;
    t->split_titles = true;
    measure(t);
    if (shrink(t, width, COMFORT) || shrink(t, width, LEAST))
        return true;
    return wrap_last(t, width);
}

/* TEXT in WIDTH columns; "~" says, in every character set, that something was
 * cut. */
static void
print_cell(FILE *out, const char *text, size_t width, bool last)
{
    size_t columns = text_width(text);

    if (columns > width) {
        size_t len = text_fit(text, width - 1);
        char *start = alloc_copy(text, len);

        columns = text_width(start) + 1;
        fprintf(out, "%s~", start);
        free(start);
    } else {
        fputs(text, out);
    }
    if (!last)
        fprintf(out, "%*s", (int)(width - columns + GAP), "");
}

/* Word WORD of a title, counted from its last, "" when it has fewer. */
static char *
title_word(const char *title, size_t word)
{
    const char *end = title + strlen(title), *start = end;

    for (;; word--) {
        while (start > title && start[-1] != ' ')
            start--;
        if (word == 0)
            return alloc_copy(start, (size_t)(end - start));
        if (start == title)
            return alloc_string("");
        end = --start;
    }
}

static size_t
word_count(const char *title)
{
    size_t count = 1;

    for (; *title != '\0'; title++)
        count += *title == ' ';
    return count;
}

static void
print_titles(FILE *out, const struct table *t)
{
    size_t lines = 1;

    for (size_t i = 0; t->split_titles && i < t->count; i++) {
        size_t words = word_count(t->columns[i]->title);

        lines = words > lines ? words : lines;
    }
    while (lines-- > 0) {
        for (size_t i = 0; i < t->count; i++) {
            char *text = t->split_titles
                             ? title_word(t->columns[i]->title, lines)
                             : alloc_string(t->columns[i]->title);

            print_cell(out, text, t->widths[i], i + 1 == t->count);
            free(text);
        }
        fputc('\n', out);
    }
}

/* TEXT on lines of WIDTH columns, the further ones behind INDENT blanks; words
 * that are wider are broken. */
static void
print_wrapped(FILE *out, const char *text, size_t indent, size_t width)
{
    for (;;) {
        size_t len = text_line(text, width), most = text_fit(text, width);

        len = len > most && most > 0 ? most : len;
        fprintf(out, "%.*s\n", (int)len, text);
        text += len;
        text += strspn(text, " ");
        if (*text == '\0')
            return;
        fprintf(out, "%*s", (int)indent, "");
    }
}

static void
print_row(FILE *out, const struct table *t, size_t row, size_t width)
{
    size_t last = t->count - 1, before = total_width(t) - t->widths[last];

    for (size_t i = 0; i < last; i++)
        print_cell(out, cell_of(t, row, i), t->widths[i], false);
    if (t->text_below) {
        print_cell(out, cell_of(t, row, last), t->widths[last], true);
        fprintf(out, "\n%*s", INDENT, "");
        print_wrapped(out, cell_of(t, row, t->count), INDENT, width - INDENT);
    } else if (t->columns[last]->flexible) {
        print_cell(out, cell_of(t, row, last), t->widths[last], true);
        fputc('\n', out);
    } else {
        print_wrapped(out, cell_of(t, row, last), before, t->widths[last]);
    }
}

static void
collect(struct table *t, const json_t *array, const struct column *columns)
{
    *t = (struct table){ .rows = json_array_size(array) };
    for (; columns[t->all].title != NULL && t->all < COLUMNS_MAX; t->all++) {
        t->columns[t->all] = &columns[t->all];
        t->indexes[t->all] = t->all;
    }
    t->count = t->all;
    t->cells = alloc_zeroed(t->rows * t->all + 1, sizeof(*t->cells));
    for (size_t row = 0; row < t->rows; row++)
        for (size_t i = 0; i < t->all; i++)
            t->cells[row * t->all + i] =
                view_cell(json_array_get(array, row), &columns[i]);
}

void
view_table(FILE *out, const json_t *array, const struct column *columns,
    size_t width)
{
    struct table t;

    collect(&t, array, columns);
    if (fit(&t, width)) {
        print_titles(out, &t);
        for (size_t row = 0; row < t.rows; row++)
            print_row(out, &t, row, width);
    } else {
        for (size_t row = 0; row < t.rows; row++) {
            if (row > 0)
                fputc('\n', out);
            view_fields(out, json_array_get(array, row), columns, width);
        }
    }
    for (size_t i = 0; i < t.rows * t.all; i++)
        free(t.cells[i]);
    free(t.cells);
}

void
view_fields(FILE *out, const json_t *object, const struct column *columns,
    size_t width)
{
    size_t titles = 0;

    for (size_t i = 0; columns[i].title != NULL; i++)
        if (text_width(columns[i].title) > titles)
            titles = text_width(columns[i].title);
    for (; columns->title != NULL; columns++) {
        char *cell;

        if (view_member(object, columns->member) == NULL)
            continue;
        cell = view_cell(object, columns);
        print_cell(out, columns->title, titles, false);
        text_wrap(out, cell, titles + GAP, width);
        free(cell);
    }
}

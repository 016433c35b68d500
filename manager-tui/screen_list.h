/*
 * A list on a screen: rows of JSON under columns, a cursor that stays on its
 * row whatever the rows do, filter, sort, marks, keys and mouse.  Short lists
 * come whole and are filtered and sorted here; of long ones the node sends the
 * part that is seen (paged), filtered and sorted there.
 *
 *     static const struct list_spec spec = { .columns = columns,
 *         .key = "name", .empty = "No users." };
 *     list_open(&state->list, &spec);
 *     list_take(&state->list, json_object_get(result, "users"), -1);
 *     list_draw(&state->list, s, area);
 */
#ifndef MANAGER_TUI_SCREEN_LIST_H
#define MANAGER_TUI_SCREEN_LIST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "manager-tui/line_edit.h"
#include "manager-tui/screen.h"
#include "manager-tui/view.h"

struct list_column {
    struct column column; /* view.h: title, member, kind, flexible */
    int rank; /* 0: always shown; of the others the highest goes first */
    /* How a row's cell looks; NULL: plain. */
    enum style (*style)(const json_t *row);
    /* The cell's text, fresh, instead of the member's; NULL. */
    char *(*text)(const json_t *row, bool ascii);
};

#define LIST_COLUMNS_END                                  \
    {                                                     \
        { NULL, NULL, COLUMN_TEXT, false }, 0, NULL, NULL \
    }

struct list_spec {
    const struct list_column *columns;
    const char *key;   /* the member that names a row: text or number */
    const char *empty; /* said when there is no row */
    bool paged;        /* the command takes filter, sort, offset and limit */
    bool still;        /* only to be seen: no cursor */
    bool pinned;       /* the first row stays the first (a primary's own) */
};

struct screen_list {
    const struct list_spec *spec;
    json_t *rows;  /* an array: all, or a page of them */
    size_t offset; /* of the page */
    size_t asked;  /* the offset that was asked for last: one at a time */
    size_t total;  /* rows that pass the filter */
    size_t *shown; /* not paged: which rows, in which order */
    size_t cursor; /* among those that pass */
    size_t top;    /* the first that is seen */
    char *current; /* the key of the row under the cursor; NULL */
    json_t *marks; /* an object with a member per key that is marked */
    struct line_edit filter;
    bool filtering; /* the filter is being typed */
    int sort;       /* a column; -1: in the order of the node */
    bool descending;
    bool known;          /* an answer has come */
    struct area area;    /* of the rows, as drawn last */
    int column_ends[24]; /* of the titles, for clicks; 0: not shown */
};

/* The list that the state of every screen begins with. */
struct screen_list *list_of(const struct screen *s);
void list_open(struct screen_list *list, const struct list_spec *spec);
void list_close(struct screen_list *list);
/* Adds what a paged command wants to ARGS (fresh when NULL), and returns it. */
json_t *list_args(struct screen_list *list, json_t *args);
/* True when rows that are seen are not here and asking would bring them. */
bool list_wants_rows(const struct screen_list *list);
/* New rows; TOTAL is how many there are when the list is paged, else -1. */
void list_take(struct screen_list *list, const json_t *rows, int64_t total);
void list_draw(struct screen_list *list, struct screen *s, struct area a);
/* The row under the cursor, borrowed; NULL. */
const json_t *list_current(const struct screen_list *list);
/* Its key, as text, borrowed; NULL. */
const char *list_current_key(const struct screen_list *list);
/* The marked keys as an array of texts, or the one under the cursor; fresh. */
json_t *list_chosen(const struct screen_list *list);
void list_unmark(struct screen_list *list);

/* Keys of every list, for dispatch and help. */
extern const struct key_binding list_keys[];
/* A key while the filter is typed; true when used. */
bool list_press(struct screen_list *list, struct screen *s, int press);
/* A click at Y, X of the canvas; true when it chose a row that was chosen
 * already: the row is to be opened. */
bool list_click(struct screen_list *list, struct screen *s, int y, int x);
void list_move(struct screen_list *list, struct screen *s, int rows);

/* -- for its own files: list_rows.c, list_draw.c, list_keys.c -------------- */

/* The row at a place among those that pass; NULL when it is not here. */
const json_t *list_row(const struct screen_list *list, size_t place);
char *list_key_of(const struct screen_list *list, const json_t *row);
char *list_cell(const struct list_column *column, const struct screen *s,
    const json_t *row, bool ascii);
/* Filters and sorts anew, keeping the cursor on its row. */
void list_arrange(struct screen_list *list);
size_t list_column_count(const struct list_spec *spec);

#endif

/*
 * Keys and mouse on a list.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "manager-tui/screen_list.h"

struct screen_list *
list_of(const struct screen *s)
{
    return s->state;
}

static void
go_to(struct screen_list *list, struct screen *s, size_t place)
{
    size_t rows = (size_t)list->area.height;

    if (place >= list->total)
        place = list->total > 0 ? list->total - 1 : 0;
    list->cursor = place;
    if (place < list->top)
        list->top = place;
    else if (rows > 0 && place >= list->top + rows)
        list->top = place - rows + 1;
    free(list->current);
    list->current = list_key_of(list, list_current(list));
    if (list_wants_rows(list))
        screen_refresh(s);
}

void
list_move(struct screen_list *list, struct screen *s, int rows)
{
    if (rows < 0 && list->cursor < (size_t)-rows)
        go_to(list, s, 0);
    else
        go_to(list, s, list->cursor + (size_t)rows);
}

static void
move_up(struct screen *s)
{
    list_move(list_of(s), s, -1);
}

static void
move_down(struct screen *s)
{
    list_move(list_of(s), s, 1);
}

static void
page_up(struct screen *s)
{
    list_move(list_of(s), s, -list_of(s)->area.height);
}

static void
page_down(struct screen *s)
{
    list_move(list_of(s), s, list_of(s)->area.height);
}

static void
wheel_up(struct screen *s)
{
    list_move(list_of(s), s, -3);
}

static void
wheel_down(struct screen *s)
{
    list_move(list_of(s), s, 3);
}

static void
go_first(struct screen *s)
{
    go_to(list_of(s), s, 0);
}

static void
go_last(struct screen *s)
{
    go_to(list_of(s), s, list_of(s)->total);
}

static void
mark(struct screen *s)
{
    struct screen_list *list = list_of(s);
    char *key = list_key_of(list, list_current(list));

    if (key == NULL)
        return;
    if (json_object_get(list->marks, key) != NULL)
        json_object_del(list->marks, key);
    else
        json_object_set_new(list->marks, key, json_true());
    free(key);
    list_move(list, s, 1);
}

static void
start_filter(struct screen *s)
{
    list_of(s)->filtering = true;
}

static void
rearrange(struct screen_list *list, struct screen *s)
{
    if (list->spec->paged)
        screen_refresh(s);
    else
        list_arrange(list);
}

/* The node's own order, then by each column, and around. */
static void
sort_next(struct screen *s)
{
    struct screen_list *list = list_of(s);

    list->sort++;
    if ((size_t)list->sort >= list_column_count(list->spec))
        list->sort = -1;
    list->descending = false;
    rearrange(list, s);
}

static void
sort_reverse(struct screen *s)
{
    struct screen_list *list = list_of(s);

    if (list->sort >= 0)
        list->descending = !list->descending;
    rearrange(list, s);
}

static void
enter(struct screen *s)
{
    if (s->view->enter != NULL && list_current(list_of(s)) != NULL)
        s->view->enter(s);
}

const struct key_binding list_keys[] = {
    { { PRESS_ENTER, PRESS_RIGHT, 'l' }, "Open",
        "open what is under the cursor", KEY_ALWAYS, enter },
    { { '/', PRESS_F(3) }, "Filter", "show only rows with a text in them",
        KEY_ALWAYS, start_filter },
    { { PRESS_F(4), '>' }, "Sort", "sort by the next column", KEY_ALWAYS,
        sort_next },
    { { '<' }, "Reverse", "sort the other way round", KEY_QUIET, sort_reverse },
    { { ' ', PRESS_INSERT }, "Mark", "mark the row, for acts on several",
        KEY_QUIET, mark },
    { { PRESS_UP, 'k' }, "Up", "one row up", KEY_QUIET, move_up },
    { { PRESS_DOWN, 'j' }, "Down", "one row down", KEY_QUIET, move_down },
    { { PRESS_PAGE_UP, PRESS_CTRL('b') }, "Page up", "a page up", KEY_QUIET,
        page_up },
    { { PRESS_PAGE_DOWN, PRESS_CTRL('f') }, "Page down", "a page down",
        KEY_QUIET, page_down },
    { { PRESS_HOME, 'g' }, "First", "to the first row", KEY_QUIET, go_first },
    { { PRESS_END, 'G' }, "Last", "to the last row", KEY_QUIET, go_last },
    { { PRESS_WHEEL_UP }, NULL, NULL, KEY_QUIET, wheel_up },
    { { PRESS_WHEEL_DOWN }, NULL, NULL, KEY_QUIET, wheel_down },
    KEYS_END,
};

bool
list_press(struct screen_list *list, struct screen *s, int press)
{
    /* Esc takes back one thing at a time: what is typed, filter, marks. */
    if (press == PRESS_ESCAPE && list->filter.text[0] != '\0') {
        line_set(&list->filter, "");
        list->filtering = false;
        rearrange(list, s);
        return true;
    }
    if (press == PRESS_ESCAPE && !list->filtering &&
        json_object_size(list->marks) > 0) {
        list_unmark(list);
        return true;
    }
    if (!list->filtering)
        return false;
    if (press == PRESS_ENTER || press == PRESS_ESCAPE) {
        list->filtering = false;
        return true;
    }
    if (!line_press(&list->filter, press))
        return false;
    list->cursor = list->top = 0;
    rearrange(list, s);
    return true;
}

bool
list_click(struct screen_list *list, struct screen *s, int y, int x)
{
    int row = y - list->area.y;
    size_t place = list->top + (size_t)(row > 0 ? row : 0);
    bool again = place == list->cursor;

    if (x < list->area.x || x >= list->area.x + list->area.width)
        return false;
    if (row == -1) {
        for (size_t i = 0; i < list_column_count(list->spec); i++)
            if (x - list->area.x < list->column_ends[i]) {
                list->descending = list->sort == (int)i && !list->descending;
                list->sort = (int)i;
                rearrange(list, s);
                break;
            }
        return false;
    }
    if (row < 0 || row >= list->area.height || place >= list->total)
        return false;
    go_to(list, s, place);
    return again;
}

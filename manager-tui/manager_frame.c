/*
 * What stands around every screen: the tabs above, what must be known, what was
 * said, and the keys below.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "manager-tui/manager.h"
#include "manager-tui/text.h"
#include "manager-tui/view.h"

/* Seconds without an answer after which it is said. */
#define SILENCE_TICKS 3
/* Columns of a tab's title; fewer than the least say nothing. */
#define TITLE_MAX 20
#define TITLE_MIN 3
#define BRAND_WIDTH 11 /* "Lockstep" and what is around it */

static const struct screen_view *
tab_view(size_t i)
{
    return screen_views[i];
}

/* How much is seen of a title (ASCII) in LONGEST columns: no piece of a second
 * word. */
static int
title_length(const char *title, int longest)
{
    int length = (int)text_fit(title, (size_t)longest);
    const char *blank = memchr(title, ' ', (size_t)length);

    return title[length] != '\0' && blank != NULL ? (int)(blank - title)
                                                  : length;
}

/* Columns of the tabs when each title but the open one's has at most LONGEST
 * columns. */
static int
tabs_width(const struct manager *m, int longest)
{
    int width = 0;

    for (size_t i = 0; screen_views[i] != NULL; i++) {
        int title =
            title_length(tab_view(i)->title, i == m->tab ? TITLE_MAX : longest);

        width += 2 + (title > 0 ? 1 + title : 0);
    }
    return width;
}

/* "office, primary", or only what must be seen of a long name; fresh. */
static char *
who_text(const struct manager *m, int width, bool ascii)
{
    const char *name = json_string_value(view_member(m->status, "node.name"));
    const char *role = json_string_value(view_member(m->status, "node.role"));
    char *safe = screen_text(name != NULL ? name : "", ascii);
    char *end = alloc_format(", %s", role != NULL ? role : "");
    int fits = width - (int)text_width(end);
    bool cut = (int)text_width(safe) > fits;
    char *text;

    if (cut)
        safe[text_fit(safe, fits > 1 ? (size_t)fits - 1 : 0)] = '\0';
    text = alloc_format("%s%s%s", safe, cut ? "~" : "", end);
    free(end);
    free(safe);
    return text;
}

/* The node's name and role are always seen: titles give way to them. */
static void
draw_tabs(struct manager *m, struct area row)
{
    int longest = TITLE_MAX, room = row.width, x = 0;
    char *who = NULL;

    if (m->status != NULL) {
        who = who_text(m, row.width - tabs_width(m, 0) - 2, row.canvas->ascii);
        room -= (int)text_width(who) + 2;
    }
    while (longest > 0 && tabs_width(m, longest) > room)
        longest--;
    if (longest < TITLE_MIN)
        longest = 0;
    if (tabs_width(m, longest) + BRAND_WIDTH <= room)
        x = area_put(row, 0, 1, STYLE_TITLE, "Lockstep") + 2;
    for (size_t i = 0; screen_views[i] != NULL; i++) {
        const char *title = tab_view(i)->title;
        int style = i == m->tab ? STYLE_TAB : STYLE_TITLE, begin = x;
        int length = title_length(title, i == m->tab ? TITLE_MAX : longest);

        x += area_putf(row, 0, x, style, " %zu%s%.*s", i + 1,
            length > 0 ? " " : "", length, title);
        m->tab_spots[i] = (struct bar_spot){ begin, x, (int)i };
    }
    if (who != NULL)
        area_put(row, 0, row.width - (int)text_width(who) - 1, STYLE_TITLE,
            who);
    free(who);
}

/* How old what is seen is: "; this is 12 s old". */
static void
data_age(const struct screen *s, char out[64])
{
    char age[32];
    int64_t old_ms = clock_utc_ms() - s->data_ms;

    out[0] = '\0';
    if (s->data_ms == 0)
        return;
    text_duration(old_ms < 1000 ? 1000 : old_ms / 1000 * 1000, age);
    snprintf(out, 64, "; what is seen is %s old", age);
}

/* What must be seen, above everything; NULL when all is well. */
static char *
banner(const struct manager *m, const struct screen *s)
{
    char age[64], silence[32];

    data_age(s, age);
    if (m->lost.code != ERR_NONE)
        return alloc_format("Not connected: %s%s", m->lost.message, age);
    if (m->silent_ticks >= SILENCE_TICKS) {
        text_duration((int64_t)m->silent_ticks * 1000, silence);
        return alloc_format("No answer for %s%s", silence, age);
    }
    if (s->error.code != ERR_NONE)
        return alloc_format("Error: %s%s", s->error.message, age);
    return NULL;
}

static void
draw_screen(struct manager *m, struct area all)
{
    struct screen *s = manager_screen(m);
    char *must = banner(m, s);
    int top = must != NULL ? 2 : 1;

    area_fill(all, 0, STYLE_TITLE);
    draw_tabs(m, area_part(all, 0, 0, 1, all.width));
    if (must != NULL) {
        area_fill(all, 1, STYLE_BANNER);
        area_put_cut(all, 1, 0, all.width, STYLE_BANNER, must);
    }
    free(must);
    m->body = area_part(all, top, 0, all.height - top - 2, all.width);
    screen_draw(s, m->body);
    area_put_cut(all, all.height - 2, 0, all.width,
        m->said_is_error ? STYLE_BAD : STYLE_STRONG, m->said);
    keys_draw(s, area_part(all, all.height - 1, 0, 1, all.width));
    if (m->form != NULL) {
        all.canvas->cursor_y = -1;
        form_draw(m->form, area_part(all, 1, 0, all.height - 2, all.width));
    }
}

void
manager_draw(struct manager *m)
{
    struct area all = canvas_area(&m->canvas);

    canvas_clear(&m->canvas);
    if (all.height < SMALLEST_HEIGHT || all.width < SMALLEST_WIDTH) {
        char *text = alloc_format(
            "This window is %dx%d; Lockstep needs %dx%d or more.  q leaves.",
            all.width, all.height, SMALLEST_WIDTH, SMALLEST_HEIGHT);

        area_put_wrapped(all, 0, 0, STYLE_PLAIN, text);
        free(text);
        return;
    }
    draw_screen(m, all);
}

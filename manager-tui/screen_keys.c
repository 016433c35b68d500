/*
 * What keys do: the same tables give dispatch, bottom line and help.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "manager-tui/manager.h"
#include "manager-tui/screen_list.h"

static void
help(struct screen *s)
{
    char *text = keys_help(s);

    form_message(s, "Keys", text);
    free(text);
}

static void
quit(struct screen *s)
{
    s->m->ending = true;
}

static void
back(struct screen *s)
{
    if (s->below != NULL)
        screen_back(s);
}

static void
next_tab(struct screen *s)
{
    bool last = screen_views[s->m->tab + 1] == NULL;

    manager_show_tab(s->m, last ? 0 : s->m->tab + 1);
}

static void
previous_tab(struct screen *s)
{
    size_t tab = s->m->tab;

    if (tab == 0)
        while (screen_views[tab] != NULL)
            tab++;
    manager_show_tab(s->m, tab - 1);
}

static void
times(struct screen *s)
{
    s->m->absolute_times = !s->m->absolute_times;
}

static void
redraw(struct screen *s)
{
    terminal_resize();
    screen_refresh(s);
}

const struct key_binding screen_global_keys[] = {
    { { PRESS_F(1), '?' }, "Help", "this page", KEY_ALWAYS, help },
    { { PRESS_F(10), 'q', PRESS_CTRL('c') }, "Quit", "leave", KEY_ALWAYS,
        quit },
    { { PRESS_TAB }, "Next", "the next view; 1 to 9 go to one", KEY_ALWAYS,
        next_tab },
    { { PRESS_BACKTAB }, "Previous", "the view before", KEY_QUIET,
        previous_tab },
    { { PRESS_ESCAPE, PRESS_LEFT, 'h' }, "Back",
        "back, or drop the filter and the marks", KEY_QUIET, back },
    { { 't' }, "Times", "ages, or local times with their offset", KEY_QUIET,
        times },
    { { PRESS_CTRL('l') }, "Redraw", "draw everything again", KEY_QUIET,
        redraw },
    KEYS_END,
};

bool
key_is_usable(const struct screen *s, const struct key_binding *key)
{
    if ((key->when & KEY_WRITES) && screen_is_read_only(s))
        return false;
    return !(key->when & KEY_PRIMARY) || screen_is_primary(s);
}

static bool
key_has(const struct key_binding *key, int press)
{
    for (size_t i = 0; i < 3; i++)
        if (key->keys[i] == press)
            return true;
    return false;
}

bool
keys_run(struct screen *s, const struct key_binding *keys, int press)
{
    for (; keys != NULL && keys->run != NULL; keys++)
        if (key_has(keys, press) && key_is_usable(s, keys)) {
            keys->run(s);
            return true;
        }
    return false;
}

struct bar {
    struct manager *m;
    struct area row;
    int x;
};

static void
bar_add(struct bar *bar, struct screen *s, const struct key_binding *keys)
{
    struct manager *m = bar->m;

    for (; keys != NULL && keys->run != NULL; keys++) {
        char name[16];
        int width;

        if (keys->when & KEY_QUIET || !key_is_usable(s, keys) ||
            m->bar_count == BAR_KEYS_MAX)
            continue;
        press_name(keys->keys[0], name);
        width = (int)(strlen(name) + strlen(keys->label)) + 2;
        if (bar->x + width > bar->row.width)
            continue;
        m->bar[m->bar_count] =
            (struct bar_spot){ bar->x, bar->x + width, keys->keys[0] };
        bar->x += area_put(bar->row, 0, bar->x, STYLE_STRONG, name);
        bar->x += area_put(bar->row, 0, bar->x, STYLE_PLAIN, " ");
        bar->x += area_put(bar->row, 0, bar->x, STYLE_BAR, keys->label);
        bar->x++;
        m->bar_count++;
    }
}

void
keys_draw(struct screen *s, struct area row)
{
    struct bar bar = { s->m, row, 0 };

    s->m->bar_count = 0;
    /* The ways to help and out are always seen. */
    bar_add(&bar, s, screen_global_keys);
    bar_add(&bar, s, s->view->keys);
    bar_add(&bar, s, list_keys);
}

int
keys_at(const struct manager *m, int x)
{
    for (size_t i = 0; i < m->bar_count; i++)
        if (x >= m->bar[i].begin && x < m->bar[i].end)
            return m->bar[i].press;
    return PRESS_NONE;
}

static void
help_add(struct buf *b, const struct screen *s, const struct key_binding *keys,
    const char *title)
{
    bool first = true;

    for (; keys != NULL && keys->run != NULL; keys++) {
        char names[64] = "", name[16];

        if (keys->help == NULL || !key_is_usable(s, keys))
            continue;
        if (first)
            buf_printf(b, "%s%s\n", b->len > 0 ? "\n" : "", title);
        first = false;
        for (size_t i = 0; i < 3 && keys->keys[i] != 0; i++) {
            press_name(keys->keys[i], name);
            snprintf(names + strlen(names), sizeof(names) - strlen(names),
                "%s%s", i > 0 ? ", " : "", name);
        }
        buf_printf(b, "  %-18s  %s\n", names, keys->help);
    }
}

char *
keys_help(const struct screen *s)
{
    struct buf b = BUF_INIT;
    size_t len;

    help_add(&b, s, s->view->keys, s->view->title);
    help_add(&b, s, list_keys, "Lists");
    help_add(&b, s, screen_global_keys, "Everywhere");
    return (char *)buf_steal(&b, &len);
}

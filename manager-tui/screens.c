/*
 * Open screens: asking, acting, going from one to another.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "manager-tui/manager.h"
#include "manager-tui/screen_list.h"
#include "manager-tui/text.h"
#include "manager-tui/views.h"

#define REFRESH_TICKS 2
/* A list that comes whole costs both sides the more, the longer it is. */
#define ROWS_PER_TICK 300
#define REFRESH_TICKS_MAX 60

const struct screen_view *const screen_views[] = {
    &view_overview,
    &view_servers,
    &view_users,
    &view_filter,
    &view_changes,
    &view_events,
    &view_settings,
    NULL,
};

struct screen *
screen_open(struct manager *m, const struct screen_view *view,
    const char *subject)
{
    struct screen *s = alloc_zeroed(1, sizeof(*s));

    s->view = view;
    s->m = m;
    s->id = ++m->next_id;
    s->subject = alloc_string(subject);
    s->state = alloc_zeroed(1,
        view->state_size > 0 ? view->state_size : sizeof(struct screen_list));
    list_open(list_of(s), view->rows);
    if (view->open != NULL)
        view->open(s);
    return s;
}

void
screen_close(struct screen *s)
{
    form_forget(s->m, s);
    if (s->view->close != NULL)
        s->view->close(s);
    list_close(list_of(s));
    free(s->state);
    free(s->subject);
    free(s);
}

void
screen_push(struct screen *s, const struct screen_view *view,
    const char *subject)
{
    struct manager *m = s->m;
    struct screen *above = screen_open(m, view, subject);

    list_of(s)->filtering = false;
    above->below = m->tabs[m->tab];
    m->tabs[m->tab] = above;
    screen_refresh(above);
}

void
screen_back(struct screen *s)
{
    struct manager *m = s->m;

    if (s->below == NULL || m->tabs[m->tab] != s)
        return;
    m->tabs[m->tab] = s->below;
    screen_close(s);
    screen_refresh(manager_screen(m));
}

void
screen_ask(struct screen *s, const char *command, json_t *args, unsigned tag)
{
    s->waiting++;
    manager_call(s->m, call_new(command, args, s->id, tag), false);
}

void
screen_ask_long(struct screen *s, const char *command, json_t *args,
    unsigned tag)
{
    struct call *call = call_new(command, args, s->id, tag);

    s->waiting++;
    call->wait_ms = LONG_WAIT_MS;
    manager_call(s->m, call, true);
}

static void
ask_rows(struct screen *s)
{
    json_t *args = s->view->args != NULL ? s->view->args(s) : NULL;

    if (s->view->rows->paged)
        args = list_args(list_of(s), args);
    screen_ask(s, s->view->command, args, 0);
}

void
screen_take_rows(struct screen *s, unsigned tag, const json_t *result,
    const struct err *error)
{
    const json_t *total = json_object_get(result, "total");

    (void)tag;
    if (error->code == ERR_NONE)
        list_take(list_of(s), json_object_get(result, s->view->member),
            s->view->rows->paged ? json_integer_value(total) : -1);
}

void
screen_answer(struct screen *s, unsigned tag, const json_t *result,
    const struct err *error)
{
    if (s->view->answer != NULL)
        s->view->answer(s, tag, result, error);
    else
        screen_take_rows(s, tag, result, error);
}

void
screen_draw(struct screen *s, struct area area)
{
    if (s->view->draw != NULL)
        s->view->draw(s, area);
    else
        list_draw(list_of(s), s, area);
}

static int
ticks_to_refresh(struct screen *s)
{
    const struct screen_list *list = list_of(s);
    size_t ticks = REFRESH_TICKS;

    if (!list->spec->paged)
        ticks += json_array_size(list->rows) / ROWS_PER_TICK;
    return ticks < REFRESH_TICKS_MAX ? (int)ticks : REFRESH_TICKS_MAX;
}

void
screen_refresh(struct screen *s)
{
    s->ticks = ticks_to_refresh(s);
    manager_ask_status(s->m);
    /* One question at a time; what is wanted meanwhile is asked afterwards. */
    s->again = s->waiting > 0;
    if (s->again)
        return;
    if (s->view->refresh != NULL)
        s->view->refresh(s);
    else
        ask_rows(s);
}

void
screen_say(struct screen *s, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    manager_say(s->m, false, "%s", text);
}

void
screen_show_error(struct screen *s, const struct err *error)
{
    char *text = alloc_format("%s\n\n%s", error->message, error->hint);

    form_message(s, "Error", text);
    free(text);
}

const json_t *
screen_status(const struct screen *s)
{
    return s->m->status;
}

static bool
has_role(const struct screen *s, const char *wanted)
{
    const char *role =
        s->m->status != NULL
            ? json_string_value(view_member(s->m->status, "node.role"))
            : NULL;

    return role != NULL && strcmp(role, wanted) == 0;
}

bool
screen_is_primary(const struct screen *s)
{
    return has_role(s, "primary");
}

bool
screen_is_read_only(const struct screen *s)
{
    return has_role(s, "secondary");
}

bool
screen_is_ascii(const struct screen *s)
{
    return s->m->canvas.ascii;
}

char *
screen_time(const struct screen *s, const json_t *value)
{
    struct err ignored = ERR_INIT;
    int64_t utc_ms = 0;
    char out[64];
    struct tm tm;
    time_t seconds;

    if (!json_is_string(value) ||
        clock_parse(json_string_value(value), &utc_ms, &ignored) != 0)
        return alloc_string("-");
    if (!s->m->absolute_times) {
        text_age(utc_ms, clock_utc_ms(), out);
        return alloc_string(out);
    }
    seconds = (time_t)(utc_ms / 1000);
    localtime_r(&seconds, &tm);
    strftime(out, sizeof(out), "%Y-%m-%d %H:%M:%S %z", &tm);
    return alloc_string(out);
}

/*
 * Calls to the node and who gets their answers.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "manager-tui/manager.h"
#include "manager-tui/screen_list.h"

#define RETRY_MAX_TICKS 15

enum { OWNER_MANAGER = 0 };

/* Something that was done for a screen: what is said when it is done. */
struct act {
    struct act *next;
    uint64_t id;
    char *done;
};

void
manager_call(struct manager *m, struct call *call, bool takes_long)
{
    if (takes_long) {
        if (m->long_worker == NULL)
            m->long_worker = worker_new(m->cli, NULL, m->wake_fd);
        worker_call(m->long_worker, call);
        return;
    }
    if (m->waiting++ == 0)
        m->silent_ticks = 0;
    worker_call(m->worker, call);
}

void
manager_ask_status(struct manager *m)
{
    if (m->status_waiting)
        return;
    m->status_waiting = true;
    manager_call(m, call_new("status", NULL, OWNER_MANAGER, 0), false);
}

void
screen_act(struct screen *s, const char *command, json_t *args,
    const char *done_fmt, ...)
{
    struct act *act = alloc_zeroed(1, sizeof(*act));
    struct call *call;
    va_list ap;

    act->id = ++s->m->next_id;
    va_start(ap, done_fmt);
    act->done = alloc_vformat(done_fmt, ap);
    va_end(ap);
    act->next = s->m->acts;
    s->m->acts = act;
    call = call_new(command, args, act->id, 0);
    call->urgent = true;
    manager_call(s->m, call, false);
}

static void
take_status(struct manager *m, const struct answer *answer)
{
    bool was_lost = m->lost.code != ERR_NONE;

    m->status_waiting = false;
    if (answer->error.code != ERR_NONE)
        return;
    json_decref(m->status);
    m->status = json_incref(answer->value);
    m->status_ms = answer->utc_ms;
    if (!was_lost)
        return;
    err_clear(&m->lost);
    m->retry_pause = 0;
    screen_refresh(manager_screen(m));
}

static void
note_lost(struct manager *m, const struct err *error)
{
    m->lost = *error;
    m->retry_pause = m->retry_pause == 0 ? 1 : m->retry_pause * 2;
    if (m->retry_pause > RETRY_MAX_TICKS)
        m->retry_pause = RETRY_MAX_TICKS;
    m->retry_ticks = m->retry_pause;
}

static bool
take_act(struct manager *m, const struct answer *answer)
{
    for (struct act **at = &m->acts; *at != NULL; at = &(*at)->next) {
        struct act *act = *at;

        if (act->id != answer->owner)
            continue;
        if (answer->progress)
            return true;
        if (answer->error.code != ERR_NONE)
            screen_show_error(manager_screen(m), &answer->error);
        else
            manager_say(m, false, "%s", act->done);
        *at = act->next;
        free(act->done);
        free(act);
        if (m->lost.code == ERR_NONE)
            screen_refresh(manager_screen(m));
        return true;
    }
    return false;
}

static struct screen *
find_screen(const struct manager *m, uint64_t id)
{
    for (size_t i = 0; i < TABS_MAX; i++)
        for (struct screen *s = m->tabs[i]; s != NULL; s = s->below)
            if (s->id == id)
                return s;
    return NULL;
}

static void
take_answer(struct manager *m, const struct answer *answer)
{
    struct screen *s;

    if (answer->lost)
        note_lost(m, &answer->error);
    if (answer->owner == OWNER_MANAGER) {
        take_status(m, answer);
    } else if (m->form != NULL && form_id(m->form) == answer->owner) {
        form_answer(m->form, answer->value, answer->progress, &answer->error);
    } else if (!take_act(m, answer) &&
               (s = find_screen(m, answer->owner)) != NULL) {
        s->waiting -= !answer->progress;
        s->error = answer->error;
        if (answer->error.code == ERR_NONE)
            s->data_ms = answer->utc_ms;
        if (!answer->lost)
            screen_answer(s, answer->tag, answer->value, &answer->error);
        /* Who scrolled on meanwhile needs another part. */
        if (!answer->lost && s == manager_screen(m) && s->waiting == 0 &&
            (s->again || list_wants_rows(list_of(s))))
            screen_refresh(s);
    }
}

void
manager_take_answers(struct manager *m)
{
    struct answer *answer;

    while ((answer = worker_take(m->worker)) != NULL) {
        m->silent_ticks = 0;
        m->waiting -= !answer->progress;
        take_answer(m, answer);
        answer_free(answer);
    }
    while (m->long_worker != NULL &&
           (answer = worker_take(m->long_worker)) != NULL) {
        /* What this one cannot reach is its caller's affair alone. */
        answer->lost = false;
        take_answer(m, answer);
        answer_free(answer);
    }
}

void
manager_tick(struct manager *m)
{
    struct screen *s = manager_screen(m);

    if (m->waiting > 0)
        m->silent_ticks++;
    if (m->lost.code != ERR_NONE) {
        if (--m->retry_ticks <= 0)
            manager_ask_status(m);
    } else if (--s->ticks <= 0 && s->waiting == 0) {
        screen_refresh(s);
    }
}

void
manager_init(struct manager *m, struct cli *cli)
{
    *m = (struct manager){ .cli = cli, .wake_fd = -1 };
}

bool
manager_release(struct manager *m)
{
    bool all = worker_free(m->worker);

    all = worker_free(m->long_worker) && all;
    if (m->form != NULL)
        form_close(m->form);
    for (size_t i = 0; i < TABS_MAX; i++)
        while (m->tabs[i] != NULL) {
            struct screen *s = m->tabs[i];

            m->tabs[i] = s->below;
            screen_close(s);
        }
    while (m->acts != NULL) {
        struct act *act = m->acts;

        m->acts = act->next;
        free(act->done);
        free(act);
    }
    json_decref(m->status);
    canvas_release(&m->canvas);
    return all;
}

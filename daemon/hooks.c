/*
 * What is due, and the calls for it: one dataset's after another's, each hook
 * in order of name.  A round that ends without a failure is noted on disk
 * before anybody is told.
 */
#include "daemon/hooks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/hooks_internal.h"

#define RETRY_FIRST_MS 1000
#define RETRY_MOST_MS (5 * 60 * 1000)
/* The same failure is an event again after so long. */
#define TELL_AGAIN_MS (5 * 60 * 1000)

static void look(struct hooks *h);

struct hook_mark
hooks_mark_of(const struct dataset *ds)
{
    const struct dataset_state *state = &ds->view.state;

    return (struct hook_mark){ .role = ds->engine->node.role,
        .epoch = state->epoch,
        .revision = state->revision,
        .digest = state->digest };
}

struct hook_state *
hooks_find_state(const struct hooks *h, const char *name)
{
    for (size_t i = 0; i < h->state_count; i++)
        if (strcmp(h->states[i]->name, name) == 0)
            return h->states[i];
    return NULL;
}

static struct hook_state *
state_of(struct hooks *h, const char *name)
{
    struct hook_state *s = hooks_find_state(h, name);

    if (s != NULL)
        return s;
    s = alloc_zeroed(1, sizeof(*s));
    snprintf(s->name, sizeof(s->name), "%s", name);
    hook_marks_get(h->marks, name, &s->done);
    h->states = alloc_resize(h->states, h->state_count + 1,
        sizeof(struct hook_state *));
    h->states[h->state_count++] = s;
    return s;
}

static bool
is_wanted(const struct dataset *ds, const struct hook_state *s,
    const struct hook_mark *mark)
{
    if (!ds->active || ds->view.error.code != ERR_NONE || mark->revision == 0)
        return false;
    return s->again || s->failures > 0 || !hook_mark_equal(&s->done, mark);
}

static bool
is_due(const struct hook_state *s, const struct hook_mark *mark)
{
    return s->failures == 0 || s->again || !hook_mark_equal(&s->tried, mark) ||
           clock_mono_ms() >= s->retry_ms;
}

static void
on_timer(uv_timer_t *timer)
{
    look(timer->data);
}

static void
look_in(struct hooks *h, int64_t ms)
{
    uv_timer_start(h->timer, on_timer, ms > 0 ? (uint64_t)ms : 0, 0);
}

/* A round. */

static void
round_over(struct hooks *h)
{
    h->round.state = NULL;
    hooks_waits_check(h);
    look_in(h, 0);
}

static void
round_failed(struct hooks *h, const struct err *e)
{
    struct hook_round *round = &h->round;
    struct hook_state *s = round->state;
    int64_t pause = RETRY_FIRST_MS;

    if (!hook_mark_equal(&s->tried, &round->mark))
        s->failures = 0;
    for (unsigned i = 0; i < s->failures && pause < RETRY_MOST_MS; i++)
        pause *= 2;
    if (pause > RETRY_MOST_MS)
        pause = RETRY_MOST_MS;
    s->failures++;
    s->tried = round->mark;
    s->error = *e;
    memcpy(s->from, round->from, sizeof(s->from));
    s->retry_ms = clock_mono_ms() + pause;
    round_over(h);
}

static void
put_into_effect(struct hooks *h, struct hook_state *s,
    const struct hook_mark *mark)
{
    s->done = *mark;
    if (s->failures > 0)
        events_add(h->engine->events, "info", "hook-recovered", NULL, s->name,
            "revision %" PRIu64 " is in effect", s->done.revision);
    s->failures = 0;
    s->told[0] = '\0';
    err_clear(&s->error);
}

static void
round_succeeded(struct hooks *h)
{
    put_into_effect(h, h->round.state, &h->round.mark);
    round_over(h);
}

struct mark_job {
    struct hooks *hooks;
    json_t *marks;
    char *state_dir;
    struct err error;
};

static void
write_marks(void *arg)
{
    struct mark_job *job = arg;

    hook_marks_write(job->state_dir, job->marks, &job->error);
}

static void
marks_written(void *arg, bool cancelled)
{
    struct mark_job *job = arg;

    if (!cancelled && job->error.code == ERR_NONE)
        round_succeeded(job->hooks);
    else if (!cancelled)
        round_failed(job->hooks, &job->error);
    json_decref(job->marks);
    free(job->state_dir);
    free(job);
}

static void
finish_round(struct hooks *h)
{
    struct hook_round *round = &h->round;
    struct mark_job *job;

    if (round->error.code != ERR_NONE) {
        round_failed(h, &round->error);
        return;
    }
    /* Without hooks nothing is claimed that would have to be remembered. */
    if (round->names.count == 0) {
        round_succeeded(h);
        return;
    }
    hook_marks_put(h->marks, round->state->name, &round->mark);
    job = alloc_zeroed(1, sizeof(*job));
    job->hooks = h;
    job->marks = json_deep_copy(h->marks);
    job->state_dir = alloc_string(h->engine->settings.state_dir);
    strand_run(h->strand, write_marks, marks_written, job);
}

static void
note_failure(struct hooks *h, const char *name, const char *output,
    const struct err *e)
{
    struct hook_round *round = &h->round;
    struct hook_state *s = round->state;
    bool refused = e->code == ERR_PERMISSION;
    struct err failure = ERR_INIT;

    if (round->error.code == ERR_NONE) {
        err_set(&round->error, e->code, "hook \"%s\" failed for %s: %s%s%.200s",
            name, s->name, e->message, output[0] != '\0' ? ": " : "", output);
        if (e->hint[0] != '\0')
            err_hint(&round->error, "%s", e->hint);
        else
            err_hint(&round->error,
                "Run it by hand there, or \"lockstep hook run\" once it is "
                "mended.");
        snprintf(round->from, sizeof(round->from), "%s", name);
    }
    err_set(&failure, e->code, "\"%s\": %s%s%s", name, e->message,
        output[0] != '\0' ? ": " : "", output);
    if (strcmp(s->told, failure.message) == 0 &&
        clock_mono_ms() - s->told_ms < TELL_AGAIN_MS)
        return;
    snprintf(s->told, sizeof(s->told), "%s", failure.message);
    s->told_ms = clock_mono_ms();
    events_add(h->engine->events, "error",
        refused ? "hook-refused" : "hook-failed", NULL, s->name,
        "\"%s\" for revision %" PRIu64 ": %s%s%s", name, round->mark.revision,
        e->message, output[0] != '\0' ? ": " : "", output);
}

static void call_next(struct hooks *h);

static void
hook_ended(void *ctx, const char *output, const struct err *e)
{
    struct hooks *h = ctx;
    struct hook_round *round = &h->round;
    const char *name = round->names.names[round->next++];

    round->run = NULL;
    if (e->code != ERR_NONE)
        note_failure(h, name, output, e);
    else if (output[0] != '\0')
        events_add(h->engine->events, "info", "hook", NULL, round->state->name,
            "\"%s\" for revision %" PRIu64 ": %s", name, round->mark.revision,
            output);
    call_next(h);
}

enum { ENVIRONMENT_COUNT = 6 };

static void
make_environment(const struct hooks *h, char *environment[])
{
    const struct node *node = &h->engine->node;
    char *const made[ENVIRONMENT_COUNT] = {
        alloc_string("PATH=/usr/sbin:/usr/bin:/sbin:/bin"),
        alloc_string("LC_ALL=C"),
        alloc_format("LOCKSTEP_STATE_DIR=%s", h->engine->settings.state_dir),
        alloc_format("LOCKSTEP_DATABASE=%s", h->round.database),
        alloc_format("LOCKSTEP_ROLE=%s", node_role_name(h->round.mark.role)),
        alloc_format("LOCKSTEP_NODE=%s", node->name),
    };

    memcpy(environment, made, sizeof(made));
    environment[ENVIRONMENT_COUNT] = NULL;
}

static int
start_hook(struct hooks *h, const char *name, struct err *e)
{
    const struct settings *settings = &h->engine->settings;
    struct hook_round *round = &h->round;
    char *environment[ENVIRONMENT_COUNT + 1];
    char *program = NULL;
    struct hook_call call;

    if (hook_check(settings->hooks_folder, name, &program, e) != 0)
        return -1;
    make_environment(h, environment);
    call = (struct hook_call){ .program = program,
        .name = name,
        .dataset = round->state->name,
        .epoch = round->mark.epoch,
        .revision = round->mark.revision,
        .environment = environment,
        .timeout_ms = settings->hooks_timeout_ms };
    round->run = hook_run_start(h->engine->loop, &call, hook_ended, h, e);
    for (size_t i = 0; i < ENVIRONMENT_COUNT; i++)
        free(environment[i]);
    free(program);
    return round->run != NULL ? 0 : -1;
}

static void
call_next(struct hooks *h)
{
    struct hook_round *round = &h->round;

    for (; round->next < round->names.count; round->next++) {
        const char *name = round->names.names[round->next];
        struct err e = ERR_INIT;

        if (start_hook(h, name, &e) == 0)
            return;
        note_failure(h, name, "", &e);
    }
    finish_round(h);
}

static void
begin_round(struct hooks *h, const struct dataset *ds, struct hook_state *s,
    const struct hook_mark *mark)
{
    const char *folder = h->engine->settings.hooks_folder;
    struct hook_round *round = &h->round;
    struct err e = ERR_INIT;
    bool retry =
        s->failures > 0 && !s->again && hook_mark_equal(&s->tried, mark);

    memset(round, 0, sizeof(*round));
    round->state = s;
    round->mark = *mark;
    snprintf(round->database, sizeof(round->database), "%s", ds->live_path);
    s->again = false;
    if (hook_names_read(&round->names, folder, &e) != 0) {
        round->names.count = 0;
        note_failure(h, folder, "", &e);
    }
    while (retry && round->next < round->names.count &&
           strcmp(round->names.names[round->next], s->from) < 0)
        round->next++;
    call_next(h);
}

static void
look(struct hooks *h)
{
    const struct datasets *all = h->engine->datasets;
    size_t count = datasets_count(all);
    int64_t wait_ms = INT64_MAX;

    if (h->round.state != NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        size_t index = (h->next_dataset + i) % count;
        const struct dataset *ds = datasets_at(all, index);
        struct hook_state *s = state_of(h, ds->name);
        struct hook_mark mark = hooks_mark_of(ds);

        if (!is_wanted(ds, s, &mark))
            continue;
        if (is_due(s, &mark)) {
            h->next_dataset = index + 1;
            begin_round(h, ds, s, &mark);
            return;
        }
        if (s->retry_ms - clock_mono_ms() < wait_ms)
            wait_ms = s->retry_ms - clock_mono_ms();
    }
    if (wait_ms != INT64_MAX)
        look_in(h, wait_ms);
}

bool
hooks_are_busy(const struct hooks *h)
{
    const struct datasets *all = h->engine->datasets;

    if (h->round.state != NULL)
        return true;
    for (size_t i = 0; i < datasets_count(all); i++) {
        const struct dataset *ds = datasets_at(all, i);
        const struct hook_state *s = hooks_find_state(h, ds->name);
        struct hook_mark mark = hooks_mark_of(ds);

        if (s == NULL ? mark.revision != 0
                      : is_wanted(ds, s, &mark) && is_due(s, &mark))
            return true;
    }
    return false;
}

static bool
has_none(const struct hooks *h)
{
    struct hook_names names;
    struct err e = ERR_INIT;

    return hook_names_read(&names, h->engine->settings.hooks_folder, &e) == 0 &&
           names.count == 0;
}

void
hooks_notice(struct hooks *h, struct dataset *ds, bool again)
{
    struct hook_state *s;
    struct hook_mark mark;

    if (h == NULL || !ds->active)
        return;
    s = state_of(h, ds->name);
    s->again = s->again || again;
    mark = hooks_mark_of(ds);
    if (!is_wanted(ds, s, &mark) || !is_due(s, &mark) || h->round.state != NULL)
        return;
    /* Whoever waits for the revision need not ask again. */
    if (has_none(h)) {
        s->again = false;
        put_into_effect(h, s, &mark);
        hooks_waits_check(h);
        return;
    }
    /* Not at once: whoever waits for the revision is answered first. */
    if (!uv_is_active((uv_handle_t *)h->timer) ||
        uv_timer_get_due_in(h->timer) > 0)
        look_in(h, 0);
}

void
hooks_run_all(struct hooks *h)
{
    const struct datasets *all = h->engine->datasets;

    for (size_t i = 0; i < datasets_count(all); i++)
        state_of(h, datasets_at(all, i)->name)->again = true;
    look_in(h, 0);
}

static void
free_handle(uv_handle_t *handle)
{
    free(handle);
}

struct hooks *
hooks_open(struct engine *engine)
{
    struct hooks *h = alloc_zeroed(1, sizeof(*h));

    h->engine = engine;
    h->marks = hook_marks_read(engine->settings.state_dir);
    h->strand = strand_new(engine->loop);
    h->timer = alloc_zeroed(1, sizeof(*h->timer));
    uv_timer_init(engine->loop, h->timer);
    h->timer->data = h;
    look_in(h, 0);
    return h;
}

void
hooks_close(struct hooks *h)
{
    if (h == NULL)
        return;
    hooks_waits_close(h);
    if (h->round.state != NULL)
        hook_run_cancel(h->round.run);
    strand_free(h->strand);
    uv_close((uv_handle_t *)h->timer, free_handle);
    for (size_t i = 0; i < h->state_count; i++)
        free(h->states[i]);
    free(h->states);
    json_decref(h->marks);
    free(h);
}

/*
 * Forms: what is typed, sent and answered.  How they look is form_draw.c.
 */
#include "manager-tui/form.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "manager-tui/form_internal.h"
#include "manager-tui/manager.h"
#include "manager-tui/secret.h"

static size_t
count_fields(const struct form_field *fields)
{
    size_t count = 0;

    while (fields != NULL && fields[count].label != NULL)
        count++;
    return count;
}

/* A choice begins with its first word, a question with "no". */
static void
set_default(struct form *f, size_t i)
{
    const struct form_field *field = &f->spec->fields[i];
    char *first;

    f->lines[i].secret = field->kind == FIELD_SECRET;
    if (field->kind == FIELD_CHOICE) {
        first = alloc_copy(field->choices, strcspn(field->choices, "|"));
        line_set(&f->lines[i], first);
        free(first);
    } else {
        line_set(&f->lines[i], field->kind == FIELD_YES_NO ? "no" : "");
    }
}

struct form *
form_open(struct screen *s, const struct form_spec *spec, const char *text,
    json_t *fixed, const char *must_type)
{
    struct form *f = alloc_zeroed(1, sizeof(*f));

    f->spec = spec;
    f->screen = s;
    f->id = ++s->m->next_id;
    f->text = alloc_string(text != NULL ? text : "");
    f->title = alloc_string(spec->title);
    f->fixed = fixed != NULL ? fixed : json_object();
    f->must_type = alloc_string(must_type);
    f->count = count_fields(spec->fields);
    f->lines = alloc_zeroed(f->count + 1, sizeof(*f->lines));
    f->before = alloc_zeroed(f->count + 1, sizeof(*f->before));
    for (size_t i = 0; i < f->count; i++) {
        set_default(f, i);
        f->before[i] = alloc_string("");
    }
    if (s->m->form != NULL)
        form_close(s->m->form);
    s->m->form = f;
    return f;
}

void
form_close(struct form *f)
{
    if (f->screen->m->form == f)
        f->screen->m->form = NULL;
    for (size_t i = 0; i < f->count; i++) {
        line_release(&f->lines[i]);
        /* It may have been filled in with a password. */
        explicit_bzero(f->before[i], strlen(f->before[i]));
        free(f->before[i]);
    }
    secret_wipe_members(f->fixed);
    json_decref(f->fixed);
    json_decref(f->progress);
    free(f->lines);
    free(f->before);
    free(f->must_type);
    free(f->title);
    free(f->text);
    free(f);
}

void
form_forget(struct manager *m, const struct screen *s)
{
    if (m->form != NULL && m->form->screen == s)
        form_close(m->form);
}

struct screen *
form_screen(const struct form *f)
{
    return f->screen;
}

const json_t *
form_fixed(const struct form *f)
{
    return f->fixed;
}

uint64_t
form_id(const struct form *f)
{
    return f->id;
}

void
form_set_error(struct form *f, const struct err *error)
{
    f->error = *error;
}

void
form_focus(struct form *f, const char *member)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->spec->fields[i].member, member) == 0)
            f->active = i;
}

const char *
form_step(const struct form *f)
{
    return f->step;
}

const char *
form_ticket(const struct form *f)
{
    return f->ticket;
}

const char *
form_typed(const struct form *f, const char *member)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->spec->fields[i].member, member) == 0)
            return f->lines[i].text;
    return "";
}

void
form_fill(struct form *f, const json_t *values)
{
    for (size_t i = 0; i < f->count; i++) {
        const json_t *value = json_member(values, f->spec->fields[i].member);
        char *text = NULL;

        if (json_is_string(value))
            text = alloc_string(json_string_value(value));
        else if (json_is_integer(value))
            text = alloc_format("%lld", (long long)json_integer_value(value));
        else if (json_is_boolean(value))
            text = alloc_string(json_is_true(value) ? "yes" : "no");
        else
            continue;
        line_set(&f->lines[i], text);
        free(f->before[i]);
        f->before[i] = text;
    }
}

static const struct form_field confirm_fields[] = {
    { "confirm", "Type the name", FIELD_CONFIRM, NULL,
        "Enter goes on, Esc changes nothing", true },
    FIELDS_END,
};

void
form_confirm(struct screen *s, const char *title, const char *question,
    const char *name, const char *command, json_t *args)
{
    static const struct form_spec spec = { .title = "",
        .submit = "Go on",
        .fields = confirm_fields,
        .done = "Done." };
    char *text = alloc_format("%s\n\nType \"%s\" to go on.", question, name);
    struct form *f = form_open(s, &spec, text, args, name);

    free(f->title);
    f->title = alloc_string(title);
    f->command = command;
    free(text);
}

void
form_message(struct screen *s, const char *title, const char *text)
{
    static const struct form_spec spec = { .title = "" };
    struct form *f = form_open(s, &spec, text, NULL, NULL);

    free(f->title);
    f->title = alloc_string(title);
}

/* Fields into arguments. */

static int
bad_field(const struct form_field *field, const char *wanted, struct err *e)
{
    return err_set(e, ERR_USAGE, "%s: this is not %s", field->label, wanted);
}

static int
read_int(const struct form_field *field, const char *text, json_t **value,
    struct err *e)
{
    char *end;
    long long number = strtoll(text, &end, 10);

    if (*end != '\0')
        return bad_field(field, "a number", e);
    *value = json_integer(number);
    return 0;
}

static int
read_duration(const struct form_field *field, const char *text, json_t **value,
    struct err *e)
{
    struct err why = ERR_INIT;
    int64_t ms = 0;

    if (clock_parse_duration(text, &ms, &why) != 0)
        return bad_field(field, "a duration such as 60s, 5m or 2h", e);
    *value = json_integer(ms);
    return 0;
}

static int
read_time(const struct form_field *field, const char *text, json_t **value,
    struct err *e)
{
    struct err why = ERR_INIT;
    int64_t ms = 0, utc_ms = 0;

    if (strcmp(text, "never") == 0) {
        *value = json_string(text);
        return 0;
    }
    if (clock_parse(text, &utc_ms, &why) != 0) {
        if (clock_parse_duration(text, &ms, &why) != 0)
            return bad_field(field, "a time such as 2026-01-31 or 2h", e);
        utc_ms = clock_utc_ms() + ms;
    }
    *value = json_time(utc_ms);
    return 0;
}

static int
read_text(const struct form_field *field, const char *text, json_t **value,
    struct err *e)
{
    *value = json_string(text);
    return *value != NULL ? 0 : bad_field(field, "UTF-8 text", e);
}

static int
read_yes_no(const struct form_field *field, const char *text, json_t **value,
    struct err *e)
{
    (void)field;
    (void)e;
    *value = json_boolean(strcmp(text, "yes") == 0);
    return 0;
}

static int
take_field(struct form *f, size_t i, json_t *args, struct err *e)
{
    static int (*const readers[])(const struct form_field *, const char *,
        json_t **, struct err *) = {
        [FIELD_TEXT] = read_text,
        [FIELD_SECRET] = read_text,
        [FIELD_INT] = read_int,
        [FIELD_YES_NO] = read_yes_no,
        [FIELD_CHOICE] = read_text,
        [FIELD_DURATION] = read_duration,
        [FIELD_TIME] = read_time,
    };
    const struct form_field *field = &f->spec->fields[i];
    const char *text = f->lines[i].text;
    json_t *value = NULL;

    if (field->kind == FIELD_CONFIRM) {
        if (strcmp(text, f->must_type) == 0)
            return 0;
        return err_set(e, ERR_USAGE, "this is not the name");
    }
    if (text[0] == '\0' && field->required)
        return err_set(e, ERR_USAGE, "%s: this must be filled in",
            field->label);
    if ((text[0] == '\0' && f->before[i][0] == '\0') ||
        (f->spec->only_changes && strcmp(text, f->before[i]) == 0))
        return 0;
    if (text[0] == '\0')
        value = json_null();
    else if (readers[field->kind](field, text, &value, e) != 0)
        return -1;
    json_object_set_new(args, field->member, value);
    return 0;
}

static void
finish(struct form *f, const json_t *result)
{
    struct screen *s = f->screen;
    struct manager *m = s->m;
    uint64_t id = f->id;

    if (f->spec->finish != NULL)
        f->spec->finish(f, result);
    else if (f->spec->done != NULL)
        manager_say(m, false, "%s", f->spec->done);
    /* The callback may have closed it, or opened the next. */
    if (m->form != NULL && m->form->id == id)
        form_close(m->form);
    screen_refresh(manager_screen(m));
}

/* Another one each time: what was cancelled once stays so. */
static void
give_ticket(struct form *f, json_t *args)
{
    uint8_t bytes[(sizeof(f->ticket) - 1) / 2];

    random_bytes(bytes, sizeof(bytes));
    hex_encode(bytes, sizeof(bytes), f->ticket);
    json_object_set_new(args, "ticket", json_string(f->ticket));
}

void
form_submit(struct form *f)
{
    const char *command = f->command != NULL ? f->command : f->spec->command;
    json_t *args = json_deep_copy(f->fixed);
    struct call *call;

    err_clear(&f->error);
    for (size_t i = 0; i < f->count; i++)
        if (take_field(f, i, args, &f->error) != 0) {
            f->active = i;
            goto out;
        }
    if (f->spec->check != NULL && f->spec->check(f, args, &f->error) != 0)
        goto out;
    if (command == NULL) {
        finish(f, args);
        goto out;
    }
    if (f->spec->cancel != NULL)
        give_ticket(f, args);
    call = call_new(command, args, f->id, 0);
    call->urgent = true;
    call->wait_ms = f->spec->takes_long ? LONG_WAIT_MS : 0;
    f->sending = true;
    manager_call(f->screen->m, call, f->spec->takes_long);
    return;
out:
    secret_wipe_members(args);
    json_decref(args);
}

/* Where the command is, and how fast it goes. */
static void
take_progress(struct form *f, const json_t *line)
{
    const char *step = "";
    int64_t done = 0, ms = clock_mono_ms();
    struct err ignored = ERR_INIT;

    json_decref(f->progress);
    f->progress = json_deep_copy(line);
    json_member_string(line, "step", false, &step, &ignored);
    json_member_int(line, "done", false, &done, &ignored);
    if (strcmp(f->step, step) != 0 || done < f->step_done) {
        snprintf(f->step, sizeof(f->step), "%s", step);
        f->step_done = done;
        f->step_ms = ms;
        f->rate = 0;
    } else if (ms - f->step_ms >= 500) {
        f->rate =
            (double)(done - f->step_done) * 1000.0 / (double)(ms - f->step_ms);
    }
}

void
form_answer(struct form *f, const json_t *value, bool progress,
    const struct err *error)
{
    if (progress) {
        take_progress(f, value);
        return;
    }
    f->sending = false;
    f->step[0] = '\0';
    json_decref(f->progress);
    f->progress = NULL;
    f->error = *error;
    if (error->code == ERR_NONE)
        finish(f, value);
    else if (f->spec->failed != NULL)
        f->spec->failed(f, error);
}

/* Keys. */

static void
cycle_choice(struct form *f, int step)
{
    const struct form_field *field = &f->spec->fields[f->active];
    const char *choices =
        field->kind == FIELD_YES_NO ? "no|yes" : field->choices;
    const char *all[32];
    size_t lens[32], count = 0, at = 0;
    char *chosen;

    for (const char *p = choices; count < 32; p++) {
        all[count] = p;
        lens[count] = strcspn(p, "|");
        if (strlen(f->lines[f->active].text) == lens[count] &&
            strncmp(f->lines[f->active].text, p, lens[count]) == 0)
            at = count;
        p += lens[count++];
        if (*p == '\0')
            break;
    }
    at = (at + count + (size_t)(step + (int)count)) % count;
    chosen = alloc_copy(all[at], lens[at]);
    line_set(&f->lines[f->active], chosen);
    free(chosen);
}

static bool
press_field(struct form *f, int press)
{
    enum field_kind kind = f->spec->fields[f->active].kind;

    if (kind != FIELD_YES_NO && kind != FIELD_CHOICE)
        return line_press(&f->lines[f->active], press);
    if (press == PRESS_LEFT)
        cycle_choice(f, -1);
    else if (press == PRESS_RIGHT || press == ' ')
        cycle_choice(f, 1);
    else
        return false;
    return true;
}

static void
leave(struct form *f)
{
    if (f->sending && f->spec->cancel != NULL)
        f->spec->cancel(f);
    else if (f->spec->back != NULL)
        f->spec->back(f);
    else
        form_close(f);
}

static void
press_enter(struct form *f)
{
    if (f->spec->submit == NULL || f->active == f->count + 1)
        leave(f);
    else if (f->active + 1 >= f->count)
        form_submit(f);
    else
        f->active++;
}

static void
scroll(struct form *f, int rows)
{
    f->scroll += rows;
    if (f->scroll > f->scroll_max)
        f->scroll = f->scroll_max;
    if (f->scroll < 0)
        f->scroll = 0;
}

static void
move(struct form *f, int step)
{
    size_t places = f->count + 2;

    if (f->spec->submit == NULL)
        scroll(f, step);
    else
        f->active =
            (f->active + places + (size_t)(step + (int)places)) % places;
}

static void
press_mouse(struct form *f, int y, int x)
{
    for (size_t i = 0; i < f->count + 2; i++) {
        const struct form_spot *spot = &f->spots[i];

        if (y != spot->y || x < spot->begin || x >= spot->end)
            continue;
        f->active = i;
        if (i >= f->count)
            press_enter(f);
        return;
    }
}

void
form_press(struct form *f, int press, int y, int x)
{
    if (press == PRESS_ESCAPE || press == PRESS_CTRL('c')) {
        leave(f);
        return;
    }
    if (press == PRESS_PAGE_DOWN || press == PRESS_WHEEL_DOWN)
        scroll(f, 5);
    else if (press == PRESS_PAGE_UP || press == PRESS_WHEEL_UP)
        scroll(f, -5);
    else if (f->sending)
        return;
    else if (press == PRESS_MOUSE)
        press_mouse(f, y, x);
    else if (press == PRESS_ENTER)
        press_enter(f);
    else if (press == PRESS_DOWN || press == PRESS_TAB)
        move(f, 1);
    else if (press == PRESS_UP || press == PRESS_BACKTAB)
        move(f, -1);
    else if (f->active < f->count)
        press_field(f, press);
    else if (press == PRESS_LEFT || press == PRESS_RIGHT)
        move(f, press == PRESS_LEFT ? -1 : 1);
    else if (f->spec->submit == NULL && (press == 'q' || press == '?'))
        leave(f);
}

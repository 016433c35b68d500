/*
 * What is asked in front of a screen: a few fields and a button, a question
 * that is answered by typing a name, or only something to read.  A form sends a
 * control command with what was typed; when that fails, the error stands on the
 * form and everything typed stays.
 *
 *     static const struct form_field fields[] = {
 *         { "name", "Name", FIELD_TEXT, NULL, "letters and digits", true },
 *         FIELDS_END,
 *     };
 *     static const struct form_spec spec = { .title = "Add a group",
 *         .submit = "Add", .fields = fields, .command = "group add" };
 *     form_open(s, &spec, NULL, NULL, NULL);
 */
#ifndef MANAGER_TUI_FORM_H
#define MANAGER_TUI_FORM_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "manager-tui/canvas.h"
#include "manager-tui/screen.h"

enum field_kind {
    FIELD_TEXT,
    FIELD_SECRET,   /* shown as stars */
    FIELD_INT,      /* an integer member */
    FIELD_YES_NO,   /* a boolean member */
    FIELD_CHOICE,   /* one of CHOICES */
    FIELD_DURATION, /* "60s": milliseconds */
    FIELD_TIME,     /* a date, a time, "2h" ahead: RFC 3339 */
    FIELD_CONFIRM   /* the name that must be typed; not sent */
};

struct form_field {
    const char *member; /* of the arguments */
    const char *label;  /* NULL ends a table */
    enum field_kind kind;
    const char *choices; /* "admin|viewer" */
    const char *help;    /* under the fields while this one is typed in */
    bool required;
};

#define FIELDS_END                                \
    {                                             \
        NULL, NULL, FIELD_TEXT, NULL, NULL, false \
    }

/* One of the steps that a command's progress names, in their order. */
struct form_step {
    const char *step;  /* NULL ends */
    const char *label; /* "log in" */
};

struct form_spec {
    const char *title;
    const char *submit; /* what the button does; NULL: only to be closed */
    const struct form_field *fields; /* NULL: none */
    const char *command;             /* NULL: done at once */
    bool takes_long;   /* on a connection of its own, with progress */
    bool only_changes; /* leaves out what is as it was */
    const char *done;  /* said afterwards, unless there is a callback */
    /* Looks at and may change the arguments before they are sent. */
    int (*check)(struct form *f, json_t *args, struct err *e);
    /* After success; the form closes unless this opens another one. */
    void (*finish)(struct form *f, const json_t *result);
    /* After an error of the command, which stands on the form already; may open
     * the form where it can be mended. */
    void (*failed)(struct form *f, const struct err *error);
    /* Instead of closing on Esc. */
    void (*back)(struct form *f);
    /* Instead of closing on Esc while the command runs, which gets a ticket. */
    void (*cancel)(struct form *f);
    const char *cancel_label;      /* what Esc does then */
    const struct form_step *steps; /* of the progress; NULL */
};

/* Opens a form in front of S, in place of another one.  TEXT stands above the
 * fields (copied, may be NULL); FIXED are arguments that are always sent, its
 * reference becomes the form's; MUST_TYPE is what a FIELD_CONFIRM wants. */
struct form *form_open(struct screen *s, const struct form_spec *spec,
    const char *text, json_t *fixed, const char *must_type);
/* Fills the fields in, from members of the same names. */
void form_fill(struct form *f, const json_t *values);
/* Asks for NAME to be typed before COMMAND runs with ARGS (the form's);
 * QUESTION says what will happen. */
void form_confirm(struct screen *s, const char *title, const char *question,
    const char *name, const char *command, json_t *args);
/* Something to read. */
void form_message(struct screen *s, const char *title, const char *text);
void form_close(struct form *f);

struct screen *form_screen(const struct form *f);
const json_t *form_fixed(const struct form *f);
/* An error that the form is to show. */
void form_set_error(struct form *f, const struct err *error);
/* Puts the cursor into the field of that member. */
void form_focus(struct form *f, const char *member);
/* The step that the command is in; "" before the first. */
const char *form_step(const struct form *f);
/* The "ticket" that the command was sent with, by which it can be cancelled. */
const char *form_ticket(const struct form *f);
/* What was typed into the field of that member, borrowed. */
const char *form_typed(const struct form *f, const char *member);

/* -- for the manager's own files ------------------------------------------ */

uint64_t form_id(const struct form *f);
void form_press(struct form *f, int press, int y, int x);
void form_draw(struct form *f, struct area a);
void form_answer(struct form *f, const json_t *value, bool progress,
    const struct err *error);
/* Looked for by the manager when the screen goes away. */
void form_forget(struct manager *m, const struct screen *s);

#endif

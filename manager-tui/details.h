/*
 * A thing in detail: lines of a label and what is so, as a list that scrolls
 * and filters like every other.
 *
 *     static void
 *     arrange(struct screen *s, struct details *d)
 *     {
 *         details_fields(d, s, json_object_get(d->answers[0], "user"), fields);
 *         details_line(d, "what", "a text of any length");
 *     }
 *
 *     static const struct details_spec spec = { .title = "User",
 *         .asks = { { "user show", true } },
 *         .arrange = arrange };
 *
 * and DETAILS_VIEW(spec) in the view.
 */
#ifndef MANAGER_TUI_DETAILS_H
#define MANAGER_TUI_DETAILS_H

#include <jansson.h>

#include "manager-tui/screen_list.h"

#define DETAILS_ASKS 3

struct details {
    struct screen_list list;
    json_t *answers[DETAILS_ASKS]; /* NULL: not known yet */
    bool gone;                     /* the first was that there is none */
    json_t *lines;                 /* being gathered */
};

struct details_spec {
    const char *title; /* above, before the subject; NULL: none */
    const char *gone;  /* said instead when there is none (any more) */
    struct {
        const char *command;
        bool by_name; /* the subject is its argument "name" */
        json_t *(*args)(struct screen *s); /* else; NULL: none */
    } asks[DETAILS_ASKS];
    /* Gathers the lines, once the first answer is here. */
    void (*arrange)(struct screen *s, struct details *d);
};

#define DETAILS_VIEW(spec)                                        \
    .rows = &details_rows, .details = &(spec),                    \
    .state_size = sizeof(struct details), .close = details_close, \
    .refresh = details_refresh, .answer = details_answer, .draw = details_draw

extern const struct list_spec details_rows;
void details_close(struct screen *s);
void details_refresh(struct screen *s);
void details_answer(struct screen *s, unsigned tag, const json_t *result,
    const struct err *error);
void details_draw(struct screen *s, struct area area);
/* The answer to the first question; NULL: not known yet. */
const json_t *details_of(const struct screen *s);

/* A line; what is too long goes on in the next. */
void details_line(struct details *d, const char *label, const char *text);
/* What the last line is about: list_current then has "kind" and "thing", whose
 * reference becomes the line's. */
void details_thing(struct details *d, const char *kind, json_t *thing);
/* A line over what follows. */
void details_title(struct details *d, const char *title);
/* The members that are there. */
void details_fields(struct details *d, const struct screen *s,
    const json_t *object, const struct column *columns);

#endif

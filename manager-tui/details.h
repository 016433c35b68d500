/*
 * A thing in detail: lines of a label and what is so, as a list that scrolls
 * and filters like every other.
 *
 *     details_begin(&d);
 *     details_fields(&d, s, object, columns);
 *     details_line(&d, "what", "a text of any length");
 *     details_end(&d);
 */
#ifndef MANAGER_TUI_DETAILS_H
#define MANAGER_TUI_DETAILS_H

#include <jansson.h>

#include "manager-tui/screen_list.h"

struct details {
    struct screen_list list;
    json_t *rows; /* being gathered */
    int width;    /* columns for the texts */
    size_t last;  /* where the last line begins among the rows */
};

void details_open(struct details *d);
void details_close(struct details *d);
void details_begin(struct details *d, const struct screen *s);
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
void details_end(struct details *d);

#endif

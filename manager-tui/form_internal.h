/*
 * What form.c and form_draw.c share.
 */
#ifndef MANAGER_TUI_FORM_INTERNAL_H
#define MANAGER_TUI_FORM_INTERNAL_H

#include <stdint.h>

#include "manager-tui/form.h"
#include "manager-tui/line_edit.h"

#define FIELDS_MAX 24

/* Where a field or a button was drawn. */
struct form_spot {
    int y, begin, end;
};

struct form {
    const struct form_spec *spec;
    struct screen *screen;
    uint64_t id;
    char *title;
    char *text;
    json_t *fixed;
    char ticket[33]; /* of what runs and can be cancelled */
    char *must_type;
    const char *command; /* instead of the spec's; NULL */
    struct line_edit *lines;
    char **before; /* what each field was filled with */
    size_t count;
    size_t active; /* a field, or count: submit, count + 1: cancel */
    int scroll, scroll_max;
    bool sending;
    json_t *progress;  /* the newest line */
    char step[32];     /* that it is about */
    int64_t step_done; /* where the rate is counted from */
    int64_t step_ms;   /* on the monotonic clock */
    double rate;       /* bytes per second; 0: not known */
    struct err error;
    struct form_spot spots[FIELDS_MAX + 2];
};

void form_submit(struct form *f);

#endif

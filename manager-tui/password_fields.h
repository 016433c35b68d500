/*
 * A password that is set, typed twice: two fields of a form.
 */
#ifndef MANAGER_TUI_PASSWORD_FIELDS_H
#define MANAGER_TUI_PASSWORD_FIELDS_H

#include "manager-tui/form.h"

#define PASSWORD_FIELDS(is_required)                                         \
    { "password", "Password", FIELD_SECRET, NULL,                            \
        "what is typed is not shown", is_required },                         \
    {                                                                        \
        "again", "Password again", FIELD_SECRET, NULL, "the same once more", \
            is_required                                                      \
    }

/* For struct form_spec's check: the two are equal; only one is sent. */
int password_fields_check(struct form *f, json_t *args, struct err *e);

#endif

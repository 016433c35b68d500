/*
 * What adding a server and registering one again have in common.  Each page is
 * a form; what was typed travels as the arguments that the next page sends
 * always ("known"), so that going back finds it again.
 */
#ifndef MANAGER_TUI_SERVER_PAGES_H
#define MANAGER_TUI_SERVER_PAGES_H

#include <jansson.h>

#include "manager-tui/form.h"
#include "manager-tui/screen.h"

/* Whose password, on the first page: two fields. */
#define LOGIN_FIELDS                                                        \
    { "user", "User", FIELD_TEXT, NULL, "an administrator there", true },   \
    {                                                                       \
        "password", "Password", FIELD_SECRET, NULL,                         \
            "that one's; it is sent after you have seen the host key, and " \
            "never stored",                                                 \
            true                                                            \
    }
/* A yes or no on the last page. */
#define NARROW_FIELD                                                           \
    {                                                                          \
        "narrow", "Only this primary may connect", FIELD_YES_NO, NULL,         \
            "yes: its filter lets in this primary's address and itself alone", \
            false                                                              \
    }

/* The steps of a registration that take long, in their order. */
extern const struct form_step server_page_steps[];

/* The text at PATH ("node.name"), or ""; borrowed. */
const char *server_page_text(const json_t *object, const char *path);
/* Takes out of ARGS whatever NAMES, which ends with NULL, does not name. */
void server_page_keep(json_t *args, const char *const *names);
/* The key that was "shown" was looked at: it is compared with what was typed as
 * expected of WHOSE, and ARGS have NAMES alone then, "fingerprint" too. */
int server_page_accept_key(struct form *f, json_t *args, const char *whose,
    const char *const *names, struct err *e);
/* A wrong user or password is mended where it was typed, on the page that OPEN
 * opens with what is known; any other error stays where it is. */
void server_page_login_failed(struct form *f, const struct err *error,
    struct form *(*open)(struct screen *s, const json_t *known));
/* Whatever is under way with the host of F ends, unless it is too late. */
void server_page_cancel(struct form *f);
/* The same of a registration, which says so when it is too late. */
void server_page_cancel_early(struct form *f);
/* What FACTS say that HOST is and has, and that it is lost; then MORE, which
 * may be "".  To be freed. */
char *server_page_summary(struct screen *s, const char *host,
    const json_t *facts, const char *more);

#endif

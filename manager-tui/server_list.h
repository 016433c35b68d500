/*
 * Servers as rows of a list, and what can be done with them: shared by the
 * views that show them.
 */
#ifndef MANAGER_TUI_SERVER_LIST_H
#define MANAGER_TUI_SERVER_LIST_H

#include "manager-tui/screen.h"
#include "manager-tui/screen_list.h"

extern const struct list_spec server_list_spec;
/* Acts on the marked servers, or the one under the cursor; the screen's list
 * must have server_list_spec. */
extern const struct key_binding server_keys[];

/* How a state looks: never by its colour alone. */
enum style server_state_style(const char *state);
/* "+ synchronized"; fresh. */
char *server_state_text(const char *state, bool ascii);
/* Details of the server under the cursor. */
void server_open_current(struct screen *s);
/* The acts of server_keys on one server. */
void server_sync(struct screen *s, const char *name);
void server_pause(struct screen *s, const char *name);
void server_resume(struct screen *s, const char *name);
void server_set_interval(struct screen *s, const char *name,
    int64_t interval_s);
void server_remove(struct screen *s, const char *name);

#endif

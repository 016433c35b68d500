/*
 * What the manager does with users, and with their keys, folders and groups:
 * the forms that the views of users open.  Each is about the user NAME.
 */
#ifndef MANAGER_TUI_USER_ACTS_H
#define MANAGER_TUI_USER_ACTS_H

#include <jansson.h>

#include "manager-tui/screen.h"

void user_add(struct screen *s);
/* USER is the node's entry of the user, borrowed. */
void user_edit(struct screen *s, const json_t *user);
void user_set_password(struct screen *s, const char *name);
void user_set_enabled(struct screen *s, const char *name, bool enabled);
void user_remove(struct screen *s, const char *name);

void user_add_key(struct screen *s, const char *name);
void user_add_folder(struct screen *s, const char *name);
void user_edit_folder(struct screen *s, const json_t *folder);
void user_add_to_group(struct screen *s, const char *name);
/* KIND is "key", "folder" or "group", THING the node's entry of it. */
void user_remove_thing(struct screen *s, const char *name, const char *kind,
    const json_t *thing);

#endif

/*
 * What the manager does with settings and administrators: its forms.
 */
#ifndef MANAGER_TUI_SETTING_ACTS_H
#define MANAGER_TUI_SETTING_ACTS_H

#include <jansson.h>

#include "manager-tui/screen.h"

/* SYNC is what "sync status" answered, SETTING an entry of "config list". */
void setting_edit_sync(struct screen *s, const json_t *sync);
void setting_add(struct screen *s);
void setting_edit(struct screen *s, const json_t *setting);
void setting_remove(struct screen *s, const char *name);

void admin_add(struct screen *s);
void admin_set_password(struct screen *s, const char *name);
void admin_remove(struct screen *s, const char *name);

#endif

/*
 * Registering a server, page by page: who, its host key, what will be
 * overwritten, and the registration itself.
 */
#ifndef MANAGER_TUI_SERVER_WIZARD_H
#define MANAGER_TUI_SERVER_WIZARD_H

#include <jansson.h>

#include "manager-tui/screen.h"

/* Opens the first page in front of S. */
void server_wizard_start(struct screen *s);
/* server_wizard_again.c: the same for one that was installed anew; ROW is its
 * entry of "server list". */
void server_again_start(struct screen *s, const json_t *row);

#endif

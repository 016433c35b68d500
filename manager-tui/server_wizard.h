/*
 * Add server, page by page: details, host key, what will be overwritten, and
 * the adding itself.
 */
#ifndef MANAGER_TUI_SERVER_WIZARD_H
#define MANAGER_TUI_SERVER_WIZARD_H

#include "manager-tui/screen.h"

/* Opens the first page in front of S. */
void server_wizard_start(struct screen *s);

#endif

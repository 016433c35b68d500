/*
 * Decisions about servers and datasets that wait for one.
 */
#ifndef MANAGER_TUI_SERVER_RESCUE_H
#define MANAGER_TUI_SERVER_RESCUE_H

#include <jansson.h>

#include "manager-tui/screen.h"

/* ROW is the server's entry of "server list". */
void server_trust(struct screen *s, const json_t *row);
void server_overwrite(struct screen *s, const json_t *row);
/* The first dataset that is held: what would be lost, then whether. */
void datasets_decide(struct screen *s);

#endif

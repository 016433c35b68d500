/*
 * What "lockstep" without arguments shows on a terminal.
 */
#ifndef MANAGER_TUI_OVERVIEW_H
#define MANAGER_TUI_OVERVIEW_H

#include "base/err.h"
#include "manager-tui/cli.h"

/* The node's status and its servers, once. */
int overview_run(struct cli *cli, struct err *e);

#endif

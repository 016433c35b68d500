/*
 * Public keys on the command line: a .pub file, the line itself, or stdin.
 */
#ifndef MANAGER_TUI_KEY_LINE_H
#define MANAGER_TUI_KEY_LINE_H

#include "manager-tui/cli.h"

/* Runs "user key add" or "admin key add": argument "key" is an array of words
 * that becomes one line. */
int key_line_run(struct cli *cli, const struct command *command, json_t *args,
    struct err *e);

extern const struct column key_columns[];
extern const struct view key_views[]; /* {"key": ...} or {"keys": [...]} */

#endif

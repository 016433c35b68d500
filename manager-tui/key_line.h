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

/* The line that TYPED is, or that stands in the file here that it names ("~/"
 * is the home directory).  *LINE is fresh. */
int key_line_typed(const char *typed, json_t **line, struct err *e);

extern const struct column key_columns[];
extern const struct view key_views[]; /* {"key": ...} or {"keys": [...]} */

#endif

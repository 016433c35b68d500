/*
 * Help texts, put together from the tables of commands.
 */
#ifndef MANAGER_TUI_HELP_H
#define MANAGER_TUI_HELP_H

#include <stdio.h>

#include "manager-tui/command.h"

/* All nouns, the global options, examples first. */
void help_all(FILE *out);
void help_noun(FILE *out, const char *noun);
void help_command(FILE *out, const struct command *command);
/* One line: "usage: lockstep user add NAME [OPTIONS]". */
void help_usage(FILE *out, const struct command *command);

#endif

/*
 * Running a program of this host to its end, and what it said.
 *
 *     const char *argv[] = { policy->proftpd, "-t", NULL };
 *     char said[TOOL_SAID];
 *     if (tool_run(argv, said, &e) != 0) ...
 */
#ifndef CONTRIB_ACCOUNTS_TOOL_H
#define CONTRIB_ACCOUNTS_TOOL_H

#include "base/err.h"

#define TOOL_SAID 512

/* Runs ARGV, whose first is a path and whose last is NULL, without a shell, and
 * waits for it.  SAID is the beginning of its output, both streams, escaped.
 * 0 when it exits with 0; else -1 with ERR_IO when it could not be run, and
 * ERR_INVALID when it was. */
int tool_run(const char *const argv[], char said[TOOL_SAID], struct err *e);

#endif

/*
 * The last steps before a hook's program: the engine starts itself, which does
 * in the new process what only that can do, and becomes the program.
 *
 *     lockstepd --hook PARENT PROGRAM NAME DATASET EPOCH REVISION
 */
#ifndef DAEMON_HOOK_EXEC_H
#define DAEMON_HOOK_EXEC_H

#include <stdbool.h>
#include <sys/types.h>

#define HOOK_EXEC_FLAG "--hook"

bool hook_exec_is_requested(int argc, char **argv);
/* Returns the exit status only where the program cannot be run. */
int hook_exec_run(int argc, char **argv);

#endif

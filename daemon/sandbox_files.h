/*
 * Inside the sandbox: the file system half.  Only sandbox*.c include this.
 */
#ifndef DAEMON_SANDBOX_FILES_H
#define DAEMON_SANDBOX_FILES_H

#include "daemon/sandbox.h"

/* Takes away what Landlock can take; nothing on a kernel without it. */
void sandbox_restrict_files(const struct sandbox *s);

#endif

/*
 * A server of this host that is told by SIGHUP to read its configuration anew.
 */
#ifndef CONTRIB_ACCOUNTS_SERVER_H
#define CONTRIB_ACCOUNTS_SERVER_H

#include "base/err.h"

/* The process that PID_FILE names, if its name begins with NAME; a descriptor,
 * or -1 when none runs.  While processes of that name run and the file names
 * none of them, it is waited for, for 5 s: the server may be starting anew. */
int server_hold(const char *pid_file, const char *name);
/* Tells who is held in FD, unless it is gone; closes FD. */
int server_reload(int fd, const char *name, struct err *e);

#endif

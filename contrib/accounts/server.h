/*
 * A server of this host that is told by SIGHUP to read its configuration anew.
 */
#ifndef CONTRIB_ACCOUNTS_SERVER_H
#define CONTRIB_ACCOUNTS_SERVER_H

#include "base/err.h"

/* The process that PID_FILE names, if its name begins with NAME, in *FD; -1
 * when no such server runs.  While processes of that name run and the file
 * names none of them, it is waited for, for 5 s: the server may be starting
 * anew.  ERR_PERMISSION when processes are hidden from us, ERR_NOT_FOUND when
 * one listens that the file does not name. */
int server_hold(const char *pid_file, const char *name, int *fd, struct err *e);
/* Tells who is held in FD, unless it is gone; closes FD. */
int server_reload(int fd, const char *name, struct err *e);

#endif

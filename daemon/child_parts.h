/*
 * The parts that run as children, and what they share.  Each has the engine's
 * socketpair on CHILD_CHANNEL_FD and returns the process's exit status.
 */
#ifndef DAEMON_CHILD_PARTS_H
#define DAEMON_CHILD_PARTS_H

#include "daemon/child.h"

enum {
    CHILD_CHANNEL_FD = 3, /* the socketpair */
    CHILD_EXTRA_FD = 4,   /* a session's client */
    CHILD_BINARY_FD = 5   /* what was executed; closed first of all */
};

const char *child_part_name(enum child_part part);

/* What libssh and OpenSSL do once, with files and all: before the sandbox. */
void child_prepare_ssh(void);

int session_main(void);
int pusher_main(void);
int connector_main(void);

/* One line to the engine, which logs it with our name and number. */
void child_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif

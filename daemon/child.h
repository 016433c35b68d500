/*
 * Children of the engine: the running binary again, by its own file descriptor,
 * with an empty environment, a socketpair on descriptor 3 and, for a session,
 * the client's socket on 4.  Their standard error is a pipe into our log.  They
 * die with the engine (PR_SET_PDEATHSIG), drop to user "lockstep" when started
 * as root and that user exists, are not dumpable, and are watched: the crash of
 * one costs that one.
 */
#ifndef DAEMON_CHILD_H
#define DAEMON_CHILD_H

#include <uv.h>

#include "base/err.h"
#include "daemon/ipc.h"

enum child_part { CHILD_SESSION, CHILD_PUSHER, CHILD_CONNECTOR };

struct child;

struct child_callbacks {
    /* One message; see ipc_receive about freeing. */
    bool (*message)(void *ctx, struct ipc_message *m);
    /* The child ended, by itself or killed; CRASHED unless it exited 0 or was
     * stopped.  The child is freed after this returns. */
    void (*ended)(void *ctx, bool crashed, const char *how);
};

/* Must be called once, before anything else of this module. */
int child_setup(uv_loop_t *loop, struct err *e);
/* EXTRA_FD (or -1) is given to the child as descriptor 4 and closed here. */
int child_start(struct child **child, uv_loop_t *loop, enum child_part part,
    int extra_fd, const struct child_callbacks *callbacks, void *ctx,
    struct err *e);
void child_send(struct child *child, uint8_t type, uint32_t tag,
    const struct buf *body, int fd);
size_t child_queued(const struct child *child);
/* It was told to end: killed if it has not within some seconds. */
void child_expect_end(struct child *child);
/* It is killed at that time from now, as one that crashed; 0: it is not. */
void child_set_deadline(struct child *child, int64_t left_ms);
/* Ends it: closes the channel and kills; ended() is still called. */
void child_stop(struct child *child);
int child_pid(const struct child *child);

/* In the child: runs the part named on the internal command line and never
 * returns to the daemon's own start.  True when ARGV names a part. */
bool child_is_requested(int argc, char **argv);
int child_run(int argc, char **argv);
/* The same, but once everything is given up INSTEAD runs and not the part: with
 * this, tests show what a process that was taken over can do. */
int child_run_instead(int argc, char **argv, int (*instead)(void));

#endif

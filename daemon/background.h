/*
 * Going to the background: the parent stays until the daemon is ready, or says
 * why it is not.
 */
#ifndef DAEMON_BACKGROUND_H
#define DAEMON_BACKGROUND_H

#include <stdbool.h>

#include "base/err.h"

struct background {
    bool is_parent;
    int fd; /* of the pipe between the two; -1 in the foreground */
};

#define BACKGROUND_INIT \
    {                   \
        false, -1       \
    }

/* Forks: both return 0, and is_parent tells them apart. */
int background_start(struct background *b, struct err *e);
/* The parent: the exit status when the child is ready or has failed. */
int background_wait(struct background *b);
/* The child is ready: from now on it logs to STATE_DIR/lockstepd.log.  Nothing
 * is done in the foreground. */
int background_ready(struct background *b, const char *state_dir,
    struct err *e);
/* The child has failed; its message was for the parent's standard error, which
 * it still shares. */
void background_fail(struct background *b, const struct err *e);

#endif

/*
 * Inside the engine's side of its children.  Only child_start.c, which makes
 * them, and child_watch.c, which listens to them, include this.
 */
#ifndef DAEMON_CHILD_WATCH_H
#define DAEMON_CHILD_WATCH_H

#include <sys/types.h>

#include "daemon/child.h"

#define CHILD_LINE_MAX 1024

struct child {
    enum child_part part;
    pid_t pid;
    struct child_callbacks callbacks;
    void *ctx;
    struct ipc_channel *channel;
    int exit_fd;  /* pidfd: readable once the process has ended */
    int lines_fd; /* its standard error */
    uv_poll_t channel_poll;
    uv_poll_t exit_poll;
    uv_poll_t lines_poll;
    uv_timer_t end_timer;
    unsigned handles; /* of libuv, not yet closed */
    bool channel_over;
    bool stopped;
    char line[CHILD_LINE_MAX];
    size_t line_len;
    unsigned lines;
    long forbidden; /* the system call that it says it is ended for; -1 */
};

/* Kills it, by its pidfd: never another that has its number by now. */
void child_kill(const struct child *c);
/* Watches a child whose process, channel and descriptors are filled in. */
void child_watch(struct child *c, uv_loop_t *loop);

#endif

/*
 * Processes of one program, by what /proc shows, and ending some of them.  They
 * are held by pidfd, so that no other is hit that came by the number since.
 *
 *     struct process_list list = { NULL, 0 };
 *     if (process_list_read(&list, "sshd", gid, &e) != 0) ...
 *     fds[n++] = process_hold(list.items[i].pid);   then look again
 *     r = processes_end(fds, n, &e);
 *     process_list_release(&list);
 */
#ifndef CONTRIB_ACCOUNTS_PROCESSES_H
#define CONTRIB_ACCOUNTS_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define PROCESS_TITLE_MAX 255

struct process {
    pid_t pid;
    pid_t parent;
    uint32_t real_uid;
    uint32_t uid; /* effective */
    uint32_t gid;
    bool marked;    /* is in the marker group */
    bool contained; /* in a container: a PID namespace below ours */
    /* What it calls itself, cut; the program itself can write anything there,
     * and so can whoever it serves, in what comes after its own words. */
    char title[PROCESS_TITLE_MAX + 1];
};

struct process_list {
    struct process *items;
    size_t count;
};

/* All whose name begins with NAME, but for those in containers, whose users are
 * others; MARKER is the gid of the marker group. */
int process_list_read(struct process_list *list, const char *name,
    uint32_t marker, struct err *e);
void process_list_release(struct process_list *list);
/* Fills P; false when PID is gone or none of the program. */
bool process_read(struct process *p, pid_t pid, const char *name,
    uint32_t marker);
/* Whether /proc shows processes that have more rights than we have. */
bool processes_are_shown(void);
/* A descriptor, or -1 when PID is gone. */
int process_hold(pid_t pid);
/* Ends those held in FDS (-1 is none) by SIGTERM, after 2 s by SIGKILL, and
 * waits until they are gone; closes all.  ERR_TIMEOUT when one is still there
 * 2 s after that. */
int processes_end(int *fds, size_t count, struct err *e);

#endif

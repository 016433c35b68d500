/*
 * A session is two processes: the monitor, root's, which calls itself
 * "sshd: NAME [priv]", and below it one that runs as the user.  SIGTERM to the
 * monitor ends both.
 */
#include "contrib/openssh/sessions.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "contrib/accounts/processes.h"

#define SSHD "sshd"

/* Whose monitor P is, by "sshd: NAME [priv]", as since 9.8 "sshd-session: ...";
 * false when it is none. */
static bool
take_name(const struct process *p, char name[ACCOUNT_NAME_MAX + 1])
{
    const char *start = strstr(p->title, ": "), *end;

    if (p->uid != 0 || start == NULL ||
        (strncmp(p->title, "sshd: ", 6) != 0 &&
            strncmp(p->title, "sshd-session: ", 14) != 0))
        return false;
    start += 2;
    end = strstr(start, " [priv]");
    if (end == NULL || (size_t)(end - start) > ACCOUNT_NAME_MAX || end == start)
        return false;
    memcpy(name, start, (size_t)(end - start));
    name[end - start] = '\0';
    return true;
}

/* The process below MONITOR; NULL. */
static const struct process *
child_of(const struct process_list *list, const struct process *monitor)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].parent == monitor->pid)
            return &list->items[i];
    return NULL;
}

static bool
must_end(const char *name, const struct process *child,
    const struct people *people, const struct nss_before *before)
{
    const struct account *a = people_find(people, name);
    bool is_users = child != NULL && child->marked && child->uid != 0;

    if (!is_users)
        return a == NULL && nss_before_has_user(before, name);
    return a == NULL || a->uid != child->uid || a->gid != child->gid;
}

/* Holds monitor and child in FDS; false when another has the number by now. */
static bool
hold_session(const struct process *monitor, const char *name,
    const struct process *child, const struct policy *policy, int fds[2])
{
    char again_name[ACCOUNT_NAME_MAX + 1];
    struct process again;

    fds[0] = process_hold(monitor->pid);
    fds[1] = child != NULL ? process_hold(child->pid) : -1;
    if (fds[0] >= 0 &&
        process_read(&again, monitor->pid, SSHD, policy->marker_gid) &&
        take_name(&again, again_name) && strcmp(again_name, name) == 0)
        return true;
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
    return false;
}

int
sessions_end(const struct people *p, const struct nss_before *before,
    const struct policy *policy, size_t *ended, struct err *e)
{
    struct process_list list;
    int *fds = NULL, r;
    size_t count = 0;

    *ended = 0;
    if (process_list_read(&list, SSHD, policy->marker_gid, e) != 0)
        return -1;
    fds = alloc_zeroed(2 * list.count + 1, sizeof(*fds));
    for (size_t i = 0; i < list.count; i++) {
        char name[ACCOUNT_NAME_MAX + 1];
        const struct process *child;

        if (!take_name(&list.items[i], name))
            continue;
        child = child_of(&list, &list.items[i]);
        if (must_end(name, child, p, before) &&
            hold_session(&list.items[i], name, child, policy, fds + count))
            count += 2;
    }
    *ended = count / 2;
    r = processes_end(fds, count, e);
    free(fds);
    process_list_release(&list);
    return r;
}

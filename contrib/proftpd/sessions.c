/*
 * A session is one process, a child of the server's.  Before the login its
 * real uid is root's and it is "proftpd: (authenticating) - (connecting): WHAT"
 * or the like.  Then, one after the other, it enters the user's groups, and so
 * the marker group, becomes the user, and calls itself
 * "proftpd: NAME - ADDRESS: WHAT": without a name it has yet to log in.  The
 * scoreboard is not asked: ftpwho's file may be missing, and lags.
 */
#include "contrib/proftpd/sessions.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "contrib/accounts/processes.h"

#define PROFTPD "proftpd"

/* Whom P serves by its own words; "" when they do not say. */
static void
take_name(const struct process *p, char name[ACCOUNT_NAME_MAX + 1])
{
    static const char start[] = "proftpd: ";
    const char *s = p->title + sizeof(start) - 1;
    size_t len;

    name[0] = '\0';
    if (strncmp(p->title, start, sizeof(start) - 1) != 0)
        return;
    len = strcspn(s, " ");
    if (s[0] == '(' || len > ACCOUNT_NAME_MAX ||
        strncmp(s + len, " - ", 3) != 0)
        return;
    memcpy(name, s, len);
    name[len] = '\0';
}

static bool
is_child_of_server(const struct process_list *list, const struct process *p)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].pid == p->parent)
            return true;
    return false;
}

static bool
must_end(const struct process_list *list, const struct process *p,
    const struct people *people, bool waiting)
{
    char name[ACCOUNT_NAME_MAX + 1];
    const struct account *a;

    take_name(p, name);
    if (!p->marked || name[0] == '\0')
        return waiting && (p->marked || p->real_uid == 0) &&
               is_child_of_server(list, p);
    a = people_find(people, name);
    if (a == NULL)
        return true;
    /* With "RootRevoke off" it is root at times, and the user again. */
    return p->uid != 0 && (a->uid != p->uid || a->gid != p->gid);
}

/* Holds P; -1 when another has the number by now. */
static int
hold(const struct process *p, const struct policy *policy)
{
    struct process again;
    int fd = process_hold(p->pid);

    if (fd >= 0 && process_read(&again, p->pid, PROFTPD, policy->marker_gid) &&
        again.parent == p->parent)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

int
sessions_end(const struct people *p, const struct policy *policy, bool waiting,
    size_t *ended, struct err *e)
{
    struct process_list list;
    size_t count = 0;
    int *fds, r;

    *ended = 0;
    if (process_list_read(&list, PROFTPD, policy->marker_gid, e) != 0)
        return -1;
    fds = alloc_zeroed(list.count + 1, sizeof(*fds));
    for (size_t i = 0; i < list.count; i++) {
        if (!must_end(&list, &list.items[i], p, waiting))
            continue;
        fds[count] = hold(&list.items[i], policy);
        if (fds[count] >= 0)
            count++;
    }
    *ended = count;
    r = processes_end(fds, count, e);
    free(fds);
    process_list_release(&list);
    return r;
}

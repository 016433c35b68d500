/*
 * A session is one process, a child of the server's.  Before the login its
 * real uid is root's and it is "proftpd: (authenticating) - (connecting): WHAT"
 * or the like.  Then, one after the other, it enters the user's groups, and so
 * the marker group, becomes the user, and calls itself
 * "proftpd: NAME - ADDRESS: WHAT": without a name it has yet to log in.  The
 * scoreboard is not asked: ftpwho's file may be missing, and lags.
 */
#include "contrib/proftpd/sessions.h"

#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "contrib/accounts/processes.h"

#define PROFTPD "proftpd"
/* A login takes a part of a second. */
#define LOGIN_MS 2000
#define LOOK_MS 10

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

enum stage { LOGGING_IN, MAY_STAY, MUST_END };

static enum stage
judge(const struct process *p, const struct people *people)
{
    char name[ACCOUNT_NAME_MAX + 1];
    const struct account *a;

    take_name(p, name);
    if (name[0] == '\0')
        return p->marked || p->real_uid == 0 ? LOGGING_IN : MAY_STAY;
    if (!p->marked)
        return MAY_STAY;
    a = people_find(people, name);
    if (a == NULL)
        return MUST_END;
    /* With "RootRevoke off" it is root at times, and the user again. */
    return p->uid == 0 || (a->uid == p->uid && a->gid == p->gid) ? MAY_STAY
                                                                 : MUST_END;
}

/* Reads P anew, which FD holds if it is still the same. */
static bool
is_there(struct process *p, int fd, const struct policy *policy)
{
    struct pollfd end = { .fd = fd, .events = POLLIN };
    pid_t parent = p->parent;

    return poll(&end, 1, 0) == 0 &&
           process_read(p, p->pid, PROFTPD, policy->marker_gid) &&
           p->parent == parent;
}

/* Holds P; -1 when another has the number by now. */
static int
hold(struct process *p, const struct policy *policy)
{
    int fd = process_hold(p->pid);

    if (fd >= 0 && is_there(p, fd, policy))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Holds those at STAGE in FDS, and lists them in FOUND; how many there are. */
static size_t
hold_stage(const struct process_list *list, const struct people *people,
    const struct policy *policy, enum stage stage, struct process *found,
    int *fds)
{
    size_t count = 0;

    for (size_t i = 0; i < list->count; i++) {
        const struct process *p = &list->items[i];

        if (judge(p, people) != stage ||
            (stage == LOGGING_IN && !is_child_of_server(list, p)))
            continue;
        found[count] = *p;
        fds[count] = hold(&found[count], policy);
        if (fds[count] >= 0)
            count++;
    }
    return count;
}

/* Lets go of those among COUNT who may stay, and has the others in front of
 * FDS; returns how many these are. */
static size_t
wait_for_logins(struct process *logins, int *fds, size_t count,
    const struct people *people, const struct policy *policy)
{
    int64_t until = clock_mono_ms() + LOGIN_MS;
    bool waits = count > 0;

    while (waits && clock_mono_ms() < until) {
        size_t left = 0;

        waits = false;
        for (size_t i = 0; i < count; i++) {
            enum stage stage = is_there(&logins[i], fds[i], policy)
                                   ? judge(&logins[i], people)
                                   : MAY_STAY;

            if (stage == MAY_STAY) {
                close(fds[i]);
                continue;
            }
            /* Who got in and may not is not left there for the others' sake. */
            if (stage == MUST_END)
                until = 0;
            waits = true;
            logins[left] = logins[i];
            fds[left++] = fds[i];
        }
        count = left;
        if (waits && until != 0)
            poll(NULL, 0, LOOK_MS);
    }
    return count;
}

int
sessions_end(const struct people *p, const struct policy *policy, bool waiting,
    size_t *ended, struct err *e)
{
    struct process_list list;
    struct process *found;
    size_t count, logins = 0;
    int *fds, *login_fds, r;

    *ended = 0;
    if (process_list_read(&list, PROFTPD, policy->marker_gid, e) != 0)
        return -1;
    fds = alloc_zeroed(2 * list.count + 1, sizeof(*fds));
    login_fds = fds + list.count;
    found = alloc_zeroed(list.count + 1, sizeof(*found));
    count = hold_stage(&list, p, policy, MUST_END, found, fds);
    if (waiting)
        logins = hold_stage(&list, p, policy, LOGGING_IN, found, login_fds);
    r = processes_end(fds, count, e);
    logins = wait_for_logins(found, login_fds, logins, p, policy);
    *ended = count + logins;
    if (processes_end(login_fds, logins, e) != 0)
        r = -1;
    free(found);
    free(fds);
    process_list_release(&list);
    return r;
}

/*
 * Looks through /proc.  A session is two processes: the monitor, root's, which
 * calls itself "sshd: NAME [priv]", and below it one that runs as the user.
 * SIGTERM to the monitor ends both; processes are held by pidfd, so that no
 * other is hit that came by the number since.
 */
#include "contrib/openssh/sessions.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"

#define READ_MAX (64 * 1024)
#define TERM_MS 2000
#define KILL_MS 2000

/* A process of sshd, as /proc shows it. */
struct process {
    pid_t pid;
    pid_t parent;
    uint32_t uid; /* effective */
    uint32_t gid;
    bool marked;                     /* is in the marker group */
    char name[ACCOUNT_NAME_MAX + 1]; /* of a monitor: whose; "" otherwise */
};

struct process_list {
    struct process *items;
    size_t count;
};

static int
read_proc(pid_t pid, const char *file, struct buf *text)
{
    char path[64];
    struct err e = ERR_INIT;

    snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, file);
    if (file_read(path, READ_MAX, text, &e) != 0)
        return -1;
    buf_put_u8(text, 0);
    return 0;
}

/* Takes NAME from "sshd: NAME [priv]", as since 9.8 "sshd-session: ..." */
static void
take_name(struct process *p, const char *title)
{
    const char *start = strstr(title, ": "), *end;

    if (start == NULL || (strncmp(title, "sshd: ", 6) != 0 &&
                             strncmp(title, "sshd-session: ", 14) != 0))
        return;
    start += 2;
    end = strstr(start, " [priv]");
    if (end == NULL || (size_t)(end - start) > ACCOUNT_NAME_MAX)
        return;
    memcpy(p->name, start, (size_t)(end - start));
    p->name[end - start] = '\0';
}

/* The number after FIELD in /proc/PID/status; COLUMN 1 is the effective id. */
static unsigned long
status_number(const char *status, const char *field, int column)
{
    const char *s = strstr(status, field);
    unsigned long n = 0;

    if (s == NULL)
        return 0;
    s += strlen(field);
    for (int i = 0; i <= column; i++)
        n = strtoul(s, (char **)&s, 10);
    return n;
}

static bool
is_in_group(const char *status, uint32_t gid)
{
    const char *s = strstr(status, "\nGroups:");
    char *next;

    if (s == NULL)
        return false;
    for (s += strlen("\nGroups:"); *s != '\n' && *s != '\0'; s = next) {
        unsigned long n = strtoul(s, &next, 10);

        if (next == s)
            return false;
        if (n == gid)
            return true;
        while (*next == ' ')
            next++;
    }
    return false;
}

/* Fills P; false when PID is gone or no process of sshd. */
static bool
look_at(struct process *p, pid_t pid, uint32_t marker)
{
    struct buf text = BUF_INIT;
    bool is_sshd = false;

    memset(p, 0, sizeof(*p));
    p->pid = pid;
    if (read_proc(pid, "status", &text) == 0 &&
        strncmp((char *)text.data, "Name:\tsshd", 10) == 0) {
        const char *status = (const char *)text.data;

        p->parent = (pid_t)status_number(status, "\nPPid:", 0);
        p->uid = (uint32_t)status_number(status, "\nUid:", 1);
        p->gid = (uint32_t)status_number(status, "\nGid:", 1);
        p->marked = is_in_group(status, marker);
        is_sshd = true;
    }
    if (is_sshd && p->uid == 0 && read_proc(pid, "cmdline", &text) == 0)
        take_name(p, (const char *)text.data);
    buf_release(&text);
    return is_sshd;
}

static int
list_processes(struct process_list *list, uint32_t marker, struct err *e)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    size_t room = 0;

    if (dir == NULL)
        return err_set_errno(e, ERR_IO, errno, "could not read \"/proc\"");
    while ((entry = readdir(dir)) != NULL) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        if (list->count == room) {
            room = room == 0 ? 64 : 2 * room;
            list->items = alloc_resize(list->items, room, sizeof(*list->items));
        }
        if (look_at(&list->items[list->count],
                (pid_t)strtol(entry->d_name, NULL, 10), marker))
            list->count++;
    }
    closedir(dir);
    return 0;
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
must_end(const struct process *monitor, const struct process *child,
    const struct people *people, const struct nss_before *before)
{
    const struct account *a = people_find(people, monitor->name);
    bool is_users = child != NULL && child->marked && child->uid != 0;

    if (!is_users)
        return a == NULL && nss_before_has_user(before, monitor->name);
    return a == NULL || a->uid != child->uid || a->gid != child->gid;
}

static int
hold_process(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static void
signal_held(int fd, int signal)
{
    syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0);
}

/* Signals all of FDS and waits until they have ended; returns how many have
 * not.  Those that have are closed and become -1. */
static size_t
end_held(int *fds, size_t count, int signal, int64_t wait_ms)
{
    int64_t until = clock_mono_ms() + wait_ms;
    size_t left = 0;

    for (size_t i = 0; i < count; i++)
        if (fds[i] >= 0)
            signal_held(fds[i], signal);
    for (size_t i = 0; i < count; i++) {
        struct pollfd p = { .fd = fds[i], .events = POLLIN };
        int64_t ms = until - clock_mono_ms();

        if (fds[i] < 0)
            continue;
        if (poll(&p, 1, ms > 0 ? (int)ms : 0) == 1) {
            close(fds[i]);
            fds[i] = -1;
        } else {
            left++;
        }
    }
    return left;
}

/* Holds monitor and child in FDS; false when another has the number by now. */
static bool
hold_session(const struct process *monitor, const struct process *child,
    const struct policy *policy, int fds[2])
{
    struct process again;

    fds[0] = hold_process(monitor->pid);
    fds[1] = child != NULL ? hold_process(child->pid) : -1;
    if (fds[0] >= 0 && look_at(&again, monitor->pid, policy->marker_gid) &&
        strcmp(again.name, monitor->name) == 0)
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
    struct process_list list = { NULL, 0 };
    int *fds = NULL;
    size_t count = 0, left = 0;

    *ended = 0;
    if (list_processes(&list, policy->marker_gid, e) != 0)
        return -1;
    fds = alloc_zeroed(2 * list.count + 1, sizeof(*fds));
    for (size_t i = 0; i < list.count; i++) {
        const struct process *child;

        if (list.items[i].name[0] == '\0')
            continue;
        child = child_of(&list, &list.items[i]);
        if (must_end(&list.items[i], child, p, before) &&
            hold_session(&list.items[i], child, policy, fds + count))
            count += 2;
    }
    *ended = count / 2;
    if (count > 0 && end_held(fds, count, SIGTERM, TERM_MS) > 0)
        left = end_held(fds, count, SIGKILL, KILL_MS);
    free(fds);
    free(list.items);
    if (left > 0)
        return err_set(e, ERR_TIMEOUT, "%zu processes of sessions do not end",
            left);
    return 0;
}

/* Reads /proc, and signals through pidfds. */
#include "contrib/accounts/processes.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
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

/* By the line of its numbers: one for each namespace, from /proc's on. */
static bool
is_contained(const char *status)
{
    const char *s = strstr(status, "\nNSpid:");

    if (s == NULL)
        return false;
    s += strlen("\nNSpid:\t");
    return s[strspn(s, "0123456789")] == '\t';
}

/* Whether the first line, "Name:\tWORD", begins with NAME. */
static bool
has_name(const char *status, const char *name)
{
    static const char field[] = "Name:\t";
    size_t len = sizeof(field) - 1;

    return strncmp(status, field, len) == 0 &&
           strncmp(status + len, name, strlen(name)) == 0;
}

bool
process_read(struct process *p, pid_t pid, const char *name, uint32_t marker)
{
    struct buf text = BUF_INIT;
    bool found = false;

    memset(p, 0, sizeof(*p));
    p->pid = pid;
    if (read_proc(pid, "status", &text) == 0 &&
        has_name((const char *)text.data, name)) {
        const char *status = (const char *)text.data;

        p->parent = (pid_t)status_number(status, "\nPPid:", 0);
        p->real_uid = (uint32_t)status_number(status, "\nUid:", 0);
        p->uid = (uint32_t)status_number(status, "\nUid:", 1);
        p->gid = (uint32_t)status_number(status, "\nGid:", 1);
        p->marked = is_in_group(status, marker);
        p->contained = is_contained(status);
        found = true;
    }
    if (found && read_proc(pid, "cmdline", &text) == 0)
        snprintf(p->title, sizeof(p->title), "%s", (const char *)text.data);
    buf_release(&text);
    return found;
}

int
process_list_read(struct process_list *list, const char *name, uint32_t marker,
    struct err *e)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    size_t room = 0;

    list->items = NULL;
    list->count = 0;
    if (dir == NULL)
        return err_set_errno(e, ERR_IO, errno, "could not read \"/proc\"");
    while ((entry = readdir(dir)) != NULL) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        if (list->count == room) {
            room = room == 0 ? 64 : 2 * room;
            list->items = alloc_resize(list->items, room, sizeof(*list->items));
        }
        if (process_read(&list->items[list->count],
                (pid_t)strtol(entry->d_name, NULL, 10), name, marker) &&
            !list->items[list->count].contained)
            list->count++;
    }
    closedir(dir);
    return 0;
}

void
process_list_release(struct process_list *list)
{
    free(list->items);
    list->items = NULL;
    list->count = 0;
}

bool
processes_are_shown(void)
{
    /* The first process may do all that any in this namespace may. */
    return access("/proc/1/status", R_OK) == 0;
}

int
process_hold(pid_t pid)
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

int
processes_end(int *fds, size_t count, struct err *e)
{
    size_t left = end_held(fds, count, SIGTERM, TERM_MS);

    if (left > 0)
        left = end_held(fds, count, SIGKILL, KILL_MS);
    for (size_t i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return left == 0 ? 0
                     : err_set(e, ERR_TIMEOUT,
                           "%zu processes of sessions do not end", left);
}

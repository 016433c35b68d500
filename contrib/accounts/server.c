/*
 * Held by pidfd, so that no other is told that came by the number since.  A
 * server that starts anew has no pid file for a moment, in which it may have
 * read its old files already: it is waited for.
 */
#include "contrib/accounts/server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "contrib/accounts/processes.h"

#define PID_FILE_MAX 64
#define ANEW_MS 5000
#define LOOK_MS 10

/* Who PID_FILE names now; a descriptor, or -1. */
static int
hold_named(const char *pid_file, const char *name)
{
    struct buf text = BUF_INIT;
    struct process p;
    struct err ignored = ERR_INIT;
    long pid = 0;
    int fd = -1;

    if (file_read(pid_file, PID_FILE_MAX, &text, &ignored) == 0) {
        buf_put_u8(&text, 0);
        pid = strtol((const char *)text.data, NULL, 10);
    }
    buf_release(&text);
    if (pid > 1)
        fd = process_hold((pid_t)pid);
    if (fd < 0 || process_read(&p, (pid_t)pid, name, 0))
        return fd;
    close(fd);
    return -1;
}

/* Whether processes of it run, be they sessions that outlived it, and whether
 * one says that it LISTENS. */
static bool
any_runs(const char *name, bool *listens)
{
    struct process_list list = { NULL, 0 };
    struct err ignored = ERR_INIT;
    bool any = false;

    *listens = false;
    if (process_list_read(&list, name, 0, &ignored) != 0)
        return false;
    for (size_t i = 0; i < list.count; i++) {
        const char *title = list.items[i].title;

        any = true;
        /* As sshd and as ProFTPD say it. */
        if (strstr(title, "[listener]") != NULL ||
            strstr(title, "(accepting connections)") != NULL)
            *listens = true;
    }
    process_list_release(&list);
    return any;
}

int
server_hold(const char *pid_file, const char *name, int *fd, struct err *e)
{
    int64_t until = clock_mono_ms() + ANEW_MS;
    bool listens = false;

    *fd = hold_named(pid_file, name);
    while (*fd < 0 && any_runs(name, &listens) && clock_mono_ms() < until) {
        poll(NULL, 0, LOOK_MS);
        *fd = hold_named(pid_file, name);
    }
    if (*fd >= 0)
        return 0;
    if (!processes_are_shown()) {
        err_set(e, ERR_PERMISSION,
            "could not see whether %s runs: /proc hides other processes", name);
        err_hint(e, "Have ProtectProc=default in lockstepd.service, by the "
                    "drop-in of the documentation, and mount /proc without "
                    "hidepid.");
        return -1;
    }
    if (listens) {
        err_set(e, ERR_NOT_FOUND, "%s runs, but \"%s\" does not name it", name,
            pid_file);
        err_hint(e, "Set PidFile in its configuration to that file, restart "
                    "it, then run this again.");
        return -1;
    }
    return 0;
}

int
server_reload(int fd, const char *name, struct err *e)
{
    int r = 0;

    if (syscall(SYS_pidfd_send_signal, fd, SIGHUP, NULL, 0) != 0 &&
        errno != ESRCH)
        r = err_set_errno(e, ERR_IO, errno, "could not tell %s", name);
    close(fd);
    return r;
}

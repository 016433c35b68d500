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

/* Whether any process of it runs, be it a session that outlived it. */
static bool
any_runs(const char *name)
{
    struct process_list list = { NULL, 0 };
    struct err ignored = ERR_INIT;
    bool any =
        process_list_read(&list, name, 0, &ignored) == 0 && list.count > 0;

    process_list_release(&list);
    return any;
}

int
server_hold(const char *pid_file, const char *name)
{
    int64_t until = clock_mono_ms() + ANEW_MS;
    int fd = hold_named(pid_file, name);

    while (fd < 0 && any_runs(name) && clock_mono_ms() < until) {
        poll(NULL, 0, LOOK_MS);
        fd = hold_named(pid_file, name);
    }
    return fd;
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

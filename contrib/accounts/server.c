/* Held by pidfd, so that no other is told that came by the number since. */
#include "contrib/accounts/server.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "contrib/accounts/processes.h"

#define PID_FILE_MAX 64

int
server_hold(const char *pid_file, const char *name)
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

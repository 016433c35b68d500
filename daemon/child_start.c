/*
 * The engine starts its children: from the running binary's own descriptor,
 * with an empty environment and nothing open but what their part needs.
 */
#include "daemon/child_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "daemon/child_parts.h"

#define CHANNEL_BUFFER (512 * 1024) /* what the kernel holds, each direction */

static struct {
    int binary_fd;
    uid_t uid;
    gid_t gid;
} setup = { .binary_fd = -1 };

int
child_setup(uv_loop_t *loop, struct err *e)
{
    const struct passwd *user;

    (void)loop;
    if (setup.binary_fd >= 0)
        return 0;
    setup.binary_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (setup.binary_fd < 0)
        return err_set_errno(e, ERR_INTERNAL, errno,
            "cannot open the running program");
    if (geteuid() == 0 && (user = getpwnam("lockstep")) != NULL) {
        setup.uid = user->pw_uid;
        setup.gid = user->pw_gid;
    }
    return 0;
}

/* What the process is given; -1 where there is none. */
struct ends {
    int ours;
    int theirs;
    int lines_read;
    int lines_write;
    int null;
};

static void
close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void
ends_release(struct ends *ends)
{
    close_end(&ends->ours);
    close_end(&ends->theirs);
    close_end(&ends->lines_read);
    close_end(&ends->lines_write);
    close_end(&ends->null);
}

/* Bulk data passes whole frames: without room for one, each costs several
 * switches between the processes. */
static void
widen(int fd)
{
    int size = CHANNEL_BUFFER;

    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/* Descriptors of ours must be above those that the child gets, or one dup2
 * would overwrite what another still has to copy. */
static int
move_up(int *fd)
{
    int moved;

    if (*fd > CHILD_BINARY_FD)
        return 0;
    moved = fcntl(*fd, F_DUPFD_CLOEXEC, CHILD_BINARY_FD + 1);
    if (moved < 0)
        return -1;
    close(*fd);
    *fd = moved;
    return 0;
}

static int
ends_open(struct ends *ends, struct err *e)
{
    int pair[2], lines[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        goto fail;
    ends->ours = pair[0];
    ends->theirs = pair[1];
    widen(pair[0]);
    widen(pair[1]);
    if (pipe2(lines, O_CLOEXEC) != 0)
        goto fail;
    ends->lines_read = lines[0];
    ends->lines_write = lines[1];
    /* A child that says more than we read must not wait for us. */
    (void)fcntl(lines[0], F_SETFL, O_NONBLOCK);
    (void)fcntl(lines[1], F_SETFL, O_NONBLOCK);
    ends->null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (ends->null < 0 || move_up(&ends->theirs) != 0 ||
        move_up(&ends->lines_write) != 0 || move_up(&ends->null) != 0 ||
        move_up(&setup.binary_fd) != 0)
        goto fail;
    return 0;
fail:
    err_set_errno(e, ERR_BUSY, errno, "could not start a process");
    err_hint(e, "Raise the limit of open files of lockstepd.");
    ends_release(ends);
    return -1;
}

/* posix_spawn is vfork inside: the size of the engine does not matter. */
static int
spawn(pid_t *pid, enum child_part part, const struct ends *ends, int extra_fd)
{
    char title[32], parent[16], uid[16], gid[16], path[32];
    char flag[] = "--child";
    char *argv[] = { title, flag, (char *)child_part_name(part), parent, uid,
        gid, NULL };
    char *environment[] = { NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t all, none;
    int r;

    snprintf(title, sizeof(title), "lockstepd: %s", child_part_name(part));
    snprintf(parent, sizeof(parent), "%d", (int)getpid());
    snprintf(uid, sizeof(uid), "%u", (unsigned)setup.uid);
    snprintf(gid, sizeof(gid), "%u", (unsigned)setup.gid);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", CHILD_BINARY_FD);
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, ends->null, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends->null, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends->lines_write,
        STDERR_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends->theirs, CHILD_CHANNEL_FD);
    if (extra_fd >= 0)
        posix_spawn_file_actions_adddup2(&actions, extra_fd, CHILD_EXTRA_FD);
    else
        posix_spawn_file_actions_adddup2(&actions, ends->null, CHILD_EXTRA_FD);
    posix_spawn_file_actions_adddup2(&actions, setup.binary_fd,
        CHILD_BINARY_FD);
    posix_spawn_file_actions_addclosefrom_np(&actions, CHILD_BINARY_FD + 1);
    posix_spawnattr_setflags(&attributes,
        POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    r = posix_spawn(pid, path, &actions, &attributes, argv, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return r;
}

int
child_start(struct child **child, uv_loop_t *loop, enum child_part part,
    int extra_fd, const struct child_callbacks *callbacks, void *ctx,
    struct err *e)
{
    struct ends ends = { -1, -1, -1, -1, -1 };
    struct child *c;
    pid_t pid = -1;
    int exit_fd, r = -1;

    *child = NULL;
    if (extra_fd >= 0 && move_up(&extra_fd) != 0) {
        err_set_errno(e, ERR_BUSY, errno, "could not start a process");
        goto out;
    }
    if (ends_open(&ends, e) != 0)
        goto out;
    r = spawn(&pid, part, &ends, extra_fd);
    if (r != 0) {
        r = err_set_errno(e, ERR_BUSY, r, "could not start the %s process",
            child_part_name(part));
        err_hint(e, "Check the limits of processes and memory.");
        goto out;
    }
    exit_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (exit_fd < 0) {
        r = err_set_errno(e, ERR_BUSY, errno, "could not watch a process");
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        goto out;
    }
    c = alloc_zeroed(1, sizeof(*c));
    c->part = part;
    c->pid = pid;
    c->callbacks = *callbacks;
    c->ctx = ctx;
    c->channel = ipc_channel_new(ends.ours);
    c->exit_fd = exit_fd;
    c->lines_fd = ends.lines_read;
    ends.ours = -1;
    ends.lines_read = -1;
    child_watch(c, loop);
    *child = c;
    r = 0;
out:
    ends_release(&ends);
    close_end(&extra_fd);
    return r;
}

/*
 * The engine's side of its children: starting them from the running binary's
 * own descriptor, their messages, their log lines and their end.
 */
#include "daemon/child_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"

#define CHANNEL_BUFFER (512 * 1024) /* what the kernel holds, each direction */
#define LINE_MAX_LENGTH 1024
#define LINES_MAX 500    /* then a child is not heard any more */
#define END_WAIT_MS 5000 /* from closing its channel to its end */

struct child {
    enum child_part part;
    pid_t pid;
    struct child_callbacks callbacks;
    void *ctx;
    struct ipc_channel *channel;
    int exit_fd;  /* pidfd: readable once the process has ended */
    int lines_fd; /* its standard error */
    uv_poll_t channel_poll;
    uv_poll_t exit_poll;
    uv_poll_t lines_poll;
    uv_timer_t end_timer;
    unsigned handles; /* of libuv, not yet closed */
    bool channel_over;
    bool stopped;
    char line[LINE_MAX_LENGTH];
    size_t line_len;
    unsigned lines;
};

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

/* --- what a child says ------------------------------------------------- */

static void
log_line(struct child *c)
{
    c->lines++;
    if (c->line_len > 0 && c->lines < LINES_MAX)
        log_info("%s %d: %.*s", child_part_name(c->part), (int)c->pid,
            (int)c->line_len, c->line);
    else if (c->lines == LINES_MAX)
        log_warning("%s %d says too much, not logged any more",
            child_part_name(c->part), (int)c->pid);
    c->line_len = 0;
}

static void
take_line_bytes(struct child *c, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n' || c->line_len == sizeof(c->line))
            log_line(c);
        if (text[i] != '\n')
            c->line[c->line_len++] = text[i];
    }
}

static void
on_lines(uv_poll_t *poll, int status, int events)
{
    struct child *c = poll->data;
    char text[4096];
    ssize_t n = read(c->lines_fd, text, sizeof(text));

    (void)status;
    (void)events;
    if (n > 0)
        take_line_bytes(c, text, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        uv_poll_stop(poll);
}

/* --- its end ------------------------------------------------------------ */

static void
on_handle_closed(uv_handle_t *handle)
{
    struct child *c = handle->data;

    if (--c->handles > 0)
        return;
    /* Only now: libuv must not watch a descriptor that is closed. */
    ipc_channel_free(c->channel);
    close(c->exit_fd);
    close(c->lines_fd);
    free(c);
}

static bool
take_message(void *ctx, struct ipc_message *m)
{
    struct child *c = ctx;

    if (c->stopped) {
        if (m->fd >= 0)
            close(m->fd);
        return false;
    }
    return c->callbacks.message(c->ctx, m) && !c->stopped;
}

static void
describe_end(int status, char *out, size_t size)
{
    if (WIFEXITED(status))
        snprintf(out, size, "exit status %d", WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        snprintf(out, size, "killed by signal %d (%s)", WTERMSIG(status),
            strsignal(WTERMSIG(status)));
    else
        snprintf(out, size, "ended");
}

/* Messages and lines that came before the end count as said. */
static void
hear_last_words(struct child *c)
{
    struct err ignored = ERR_INIT;
    struct pollfd p = { .fd = c->lines_fd, .events = POLLIN };

    while (!c->stopped && !c->channel_over &&
           ipc_receive(c->channel, take_message, c, &ignored) == 0) {
        struct pollfd more = { .fd = ipc_channel_fd(c->channel),
            .events = POLLIN };

        if (poll(&more, 1, 0) <= 0)
            break;
    }
    while (poll(&p, 1, 0) > 0 && uv_is_active((uv_handle_t *)&c->lines_poll))
        on_lines(&c->lines_poll, 0, 0);
    if (c->line_len > 0)
        log_line(c);
}

static void
on_exit_readable(uv_poll_t *poll, int poll_status, int events)
{
    struct child *c = poll->data;
    char how[80];
    int status = 0;
    bool crashed;
    pid_t pid = waitpid(c->pid, &status, WNOHANG);

    (void)poll_status;
    (void)events;
    if (pid == 0 || (pid < 0 && errno == EINTR))
        return;
    uv_poll_stop(poll);
    hear_last_words(c);
    describe_end(status, how, sizeof(how));
    crashed = !c->stopped && !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    c->callbacks.ended(c->ctx, crashed, how);
    c->stopped = true;
    c->pid = -1;
    uv_close((uv_handle_t *)&c->channel_poll, on_handle_closed);
    uv_close((uv_handle_t *)&c->exit_poll, on_handle_closed);
    uv_close((uv_handle_t *)&c->lines_poll, on_handle_closed);
    uv_close((uv_handle_t *)&c->end_timer, on_handle_closed);
}

static void
on_end_timer(uv_timer_t *timer)
{
    const struct child *c = timer->data;

    (void)kill(c->pid, SIGKILL);
}

/* The channel is over before the process: it is ending, or is made to. */
static void
channel_over(struct child *c)
{
    if (c->channel_over)
        return;
    c->channel_over = true;
    uv_poll_stop(&c->channel_poll);
    uv_timer_start(&c->end_timer, on_end_timer, END_WAIT_MS, 0);
}

/* --- its messages ------------------------------------------------------- */

static void on_channel(uv_poll_t *poll, int status, int events);

static void
watch_channel(struct child *c)
{
    int events = UV_READABLE;

    if (c->stopped || c->channel_over)
        return;
    if (ipc_wants_write(c->channel))
        events |= UV_WRITABLE;
    uv_poll_start(&c->channel_poll, events, on_channel);
}

static void
on_channel(uv_poll_t *poll, int status, int events)
{
    struct child *c = poll->data;
    struct err e = ERR_INIT;

    if ((events & UV_WRITABLE) != 0 || status < 0)
        (void)ipc_flush(c->channel, &e);
    if (((events & UV_READABLE) != 0 || status < 0) &&
        ipc_receive(c->channel, take_message, c, &e) != 0) {
        if (e.code != ERR_CLOSED) {
            log_warning("%s %d: %s", child_part_name(c->part), (int)c->pid,
                e.message);
            (void)kill(c->pid, SIGKILL);
        }
        channel_over(c);
    }
    watch_channel(c);
}

void
child_send(struct child *c, uint8_t type, uint32_t tag, const struct buf *body,
    int fd)
{
    bool waited;

    if (c->stopped || c->channel_over) {
        if (fd >= 0)
            close(fd);
        return;
    }
    waited = ipc_wants_write(c->channel);
    ipc_send(c->channel, type, tag, body != NULL ? body->data : NULL,
        body != NULL ? body->len : 0, fd);
    if (!waited && ipc_wants_write(c->channel))
        watch_channel(c);
}

size_t
child_queued(const struct child *c)
{
    return ipc_queued(c->channel);
}

void
child_stop(struct child *c)
{
    if (c->stopped)
        return;
    c->stopped = true;
    uv_poll_stop(&c->channel_poll);
    (void)kill(c->pid, SIGKILL);
}

int
child_pid(const struct child *c)
{
    return (int)c->pid;
}

/* --- its start ---------------------------------------------------------- */

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

static void
watch(struct child *c, uv_loop_t *loop)
{
    uv_poll_init(loop, &c->channel_poll, ipc_channel_fd(c->channel));
    uv_poll_init(loop, &c->exit_poll, c->exit_fd);
    uv_poll_init(loop, &c->lines_poll, c->lines_fd);
    uv_timer_init(loop, &c->end_timer);
    c->handles = 4;
    c->channel_poll.data = c;
    c->exit_poll.data = c;
    c->lines_poll.data = c;
    c->end_timer.data = c;
    uv_poll_start(&c->exit_poll, UV_READABLE, on_exit_readable);
    uv_poll_start(&c->lines_poll, UV_READABLE, on_lines);
    watch_channel(c);
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
    watch(c, loop);
    *child = c;
    r = 0;
out:
    ends_release(&ends);
    close_end(&extra_fd);
    return r;
}

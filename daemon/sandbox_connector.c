/*
 * What the connector may do: look names up, for which the C library reads the
 * system's configuration, loads modules and asks services of the host, and
 * connect.  It writes no file, listens to nothing, starts no program and has
 * nothing to lose: no secret ever comes here.
 */
#include "daemon/sandbox_calls.h"

/* The C library's own, with which threads change their user together. */
#define SIGNAL_OF_THREADS 33
#define WRITING (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)

static const struct sandbox_rule rules[] = {
    CALLS_OF_ALL,
    /* Its loop and its threads; a new kind of clone is not there, so that the
     * C library uses the one whose arguments can be seen. */
    CALLS_OF_EPOLL,
    ALLOW(eventfd2),
    REFUSE(clone3, ENOSYS),
    ALLOW_BITS(clone, 0, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM),
    ALLOW_IF(rt_sigaction, 0, SIGNAL_OF_THREADS),
    ALLOW(set_robust_list),
    ALLOW(rseq),
    ALLOW_BITS(mprotect, 2, PROT_EXEC, 0),
    ALLOW(sched_getaffinity),
    ALLOW(sched_yield),
    ALLOW(clock_nanosleep),
    ALLOW(timerfd_create),
    ALLOW(timerfd_settime),
    /* Sockets, to connect. */
    ALLOW_IF(socket, 0, AF_INET),
    ALLOW_IF(socket, 0, AF_INET6),
    ALLOW_IF(socket, 0, AF_UNIX),
    ALLOW_IF(socket, 0, AF_NETLINK),
    ALLOW(connect),
    ALLOW(bind),
    ALLOW(getsockname),
    ALLOW(getpeername),
    ALLOW(getsockopt),
    ALLOW(setsockopt),
    ALLOW(sendmmsg),
    ALLOW(recvmmsg),
    /* Files, to read. */
    ALLOW_BITS(openat, 2, WRITING, 0),
    /* Modules: nothing that can be written to and executed. */
    ALLOW_BITS(mmap, 2, PROT_WRITE, 0),
    { .call = SYS_mmap,
        .checks = { { PROT_EXEC, 0, 2 }, { MAP_PRIVATE, MAP_PRIVATE, 3 } } },
    ALLOW(pread64),
    ALLOW(lseek),
    ALLOW(newfstatat),
    ALLOW(statx),
    ALLOW(fstatfs),
    ALLOW(getdents64),
    ALLOW(readlinkat),
    ALLOW(faccessat),
    ALLOW(faccessat2),
    ALLOW(fcntl),
    ALLOW(ioctl),
    /* Who and where it is. */
    ALLOW(uname),
    ALLOW(sysinfo),
    ALLOW(getuid),
    ALLOW(geteuid),
    ALLOW(getgid),
    ALLOW(getegid),
    ALLOW(getppid),
#if defined(SYS_open)
    ALLOW_BITS(open, 1, WRITING, 0),
    ALLOW(stat),
    ALLOW(lstat),
    ALLOW(fstat),
    ALLOW(access),
    ALLOW(readlink),
#endif
};

static const char *const readable[] = { "/etc", "/usr", "/lib", "/lib64",
    "/run/systemd", "/run/resolvconf", "/run/NetworkManager", "/run/nscd",
    "/run/connman", "/var/lib/sss", "/sys/devices/system/cpu", "/proc", NULL };

const struct sandbox connector_sandbox = {
    .rules = rules,
    .rule_count = sizeof(rules) / sizeof(rules[0]),
    .readable = readable,
    .may_connect = true,
};

/*
 * Inside the sandbox: what all tables are written with.  Only sandbox_*.c
 * include this.
 */
#ifndef DAEMON_SANDBOX_CALLS_H
#define DAEMON_SANDBOX_CALLS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "daemon/sandbox.h"

#define ALL_BITS UINT32_MAX

#define ALLOW(name)        \
    {                      \
        .call = SYS_##name \
    }
#define REFUSE(name, number)                    \
    {                                           \
        .call = SYS_##name, .refusal = (number) \
    }
/* Allowed where an argument is exactly that, or two are. */
#define ALLOW_IF(name, arg, is)                                               \
    {                                                                         \
        .call = SYS_##name, .checks = { { ALL_BITS, (uint32_t)(is), (arg) } } \
    }
#define ALLOW_IF_2(name, arg, is, arg2, is2)      \
    {                                             \
        .call = SYS_##name, .checks = {           \
            { ALL_BITS, (uint32_t)(is), (arg) },  \
            { ALL_BITS, (uint32_t)(is2), (arg2) } \
        }                                         \
    }
/* Allowed where these bits of an argument are as IS has them. */
#define ALLOW_BITS(name, arg, bits, is)                 \
    {                                                   \
        .call = SYS_##name, .checks = {                 \
            { (uint32_t)(bits), (uint32_t)(is), (arg) } \
        }                                               \
    }

/* Memory, time, and what a process does to itself: the same for all.  Memory
 * is anonymous and never becomes executable. */
#define CALLS_OF_ALL                                                           \
    ALLOW(read), ALLOW(write), ALLOW(writev), ALLOW(close), ALLOW(brk),        \
        { .call = SYS_mmap,                                                    \
            .checks = { { PROT_EXEC, 0, 2 },                                   \
                { MAP_ANONYMOUS, MAP_ANONYMOUS, 3 } } },                       \
        ALLOW(munmap), ALLOW(mremap), ALLOW(madvise), ALLOW(futex),            \
        ALLOW(getpid), ALLOW(gettid), ALLOW(clock_gettime),                    \
        ALLOW(gettimeofday), ALLOW(getrandom), ALLOW(ppoll), ALLOW(recvfrom),  \
        ALLOW(recvmsg), ALLOW(sendto), ALLOW(sendmsg),                         \
        ALLOW_IF(fcntl, 1, F_GETFL), ALLOW_IF(fcntl, 1, F_SETFL),              \
        ALLOW_IF_2(getsockopt, 1, SOL_SOCKET, 2, SO_ERROR),                    \
        ALLOW_IF_2(setsockopt, 1, IPPROTO_TCP, 2, TCP_NODELAY),                \
        ALLOW_IF_2(setsockopt, 1, IPPROTO_TCP, 2, TCP_USER_TIMEOUT),           \
        ALLOW_IF(ioctl, 1, FIONREAD), ALLOW(shutdown), ALLOW(rt_sigreturn),    \
        ALLOW(restart_syscall), ALLOW(exit), ALLOW(exit_group), /* abort(3) */ \
        ALLOW(rt_sigprocmask), ALLOW_IF(tgkill, 2, SIGABRT) CALLS_OF_OLD

#define CALLS_OF_EPOLL \
    ALLOW(epoll_create1), ALLOW(epoll_ctl), ALLOW(epoll_pwait) EPOLL_OF_OLD

/* Older calls that newer architectures do not have. */
#if defined(SYS_poll)
#define CALLS_OF_OLD , ALLOW(poll), ALLOW(time)
#define EPOLL_OF_OLD , ALLOW(epoll_wait)
#else
#define CALLS_OF_OLD
#define EPOLL_OF_OLD
#endif

#endif

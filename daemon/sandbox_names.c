/*
 * Names of the system calls that a process in other hands is likely to try, for
 * the event that tells of its end.
 */
#include <sys/syscall.h>

#include "daemon/sandbox.h"

#define NAME(name)        \
    {                     \
        SYS_##name, #name \
    }

static const struct {
    long call;
    const char *name;
} names[] = {
#if defined(SYS_open)
    NAME(open),
    NAME(creat),
    NAME(stat),
    NAME(access),
    NAME(readlink),
    NAME(fork),
    NAME(vfork),
    NAME(unlink),
    NAME(rename),
    NAME(mkdir),
    NAME(chmod),
    NAME(pipe),
    NAME(dup2),
    NAME(alarm),
#endif
    NAME(openat),
    NAME(openat2),
    NAME(newfstatat),
    NAME(faccessat),
    NAME(readlinkat),
    NAME(unlinkat),
    NAME(renameat2),
    NAME(mkdirat),
    NAME(fchmodat),
    NAME(getdents64),
    NAME(chdir),
    NAME(chroot),
    NAME(mount),
    NAME(pivot_root),
    NAME(ftruncate),
    NAME(memfd_create),
    NAME(socket),
    NAME(socketpair),
    NAME(connect),
    NAME(bind),
    NAME(listen),
    NAME(accept),
    NAME(accept4),
    NAME(getsockopt),
    NAME(setsockopt),
    NAME(getsockname),
    NAME(getpeername),
    NAME(clone),
    NAME(clone3),
    NAME(execve),
    NAME(execveat),
    NAME(wait4),
    NAME(waitid),
    NAME(kill),
    NAME(tkill),
    NAME(tgkill),
    NAME(pidfd_open),
    NAME(pidfd_getfd),
    NAME(pidfd_send_signal),
    NAME(ptrace),
    NAME(process_vm_readv),
    NAME(process_vm_writev),
    NAME(mmap),
    NAME(mprotect),
    NAME(pkey_mprotect),
    NAME(prctl),
    NAME(seccomp),
    NAME(bpf),
    NAME(keyctl),
    NAME(io_uring_setup),
    NAME(userfaultfd),
    NAME(perf_event_open),
    NAME(unshare),
    NAME(setns),
    NAME(setuid),
    NAME(setresuid),
    NAME(setrlimit),
    NAME(prlimit64),
    NAME(rt_sigaction),
    NAME(sigaltstack),
    NAME(fcntl),
    NAME(ioctl),
    NAME(dup),
    NAME(dup3),
    NAME(pipe2),
    NAME(eventfd2),
    NAME(clock_nanosleep),
    NAME(nanosleep),
    NAME(pread64),
    NAME(lseek),
    NAME(uname),
    NAME(getuid),
    NAME(getppid),
    NAME(sched_yield),
    NAME(sched_getaffinity),
};

const char *
sandbox_call_name(long call)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].call == call)
            return names[i].name;
    return NULL;
}

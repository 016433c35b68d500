/*
 * What the leak checker and the reports of AddressSanitizer do beyond our own
 * calls: a thread that looks at this process, and files to name lines with.
 * Their builds alone have it; starting programs, connecting and writing files
 * stay forbidden there too.
 */
#include "daemon/sandbox_calls.h"

#if SANITIZED

static const struct sandbox_rule rules[] = {
    ALLOW_BITS(openat, 2, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC, 0),
    ALLOW_BITS(clone, 0, CLONE_VM, CLONE_VM),
    ALLOW(mmap),
    ALLOW(mprotect),
    ALLOW(ptrace),
    ALLOW(wait4),
    ALLOW(prctl),
    ALLOW(getppid),
    ALLOW(pread64),
    ALLOW(lseek),
    ALLOW(newfstatat),
    ALLOW(getdents64),
    ALLOW(readlinkat),
    ALLOW(rt_sigaction),
    ALLOW(sigaltstack),
    ALLOW(sched_yield),
    ALLOW(sched_getaffinity),
    ALLOW(prlimit64),
    ALLOW(tgkill),
    ALLOW(fcntl),
    ALLOW(ioctl),
#if defined(SYS_open)
    ALLOW_BITS(open, 1, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC, 0),
    ALLOW(stat),
    ALLOW(fstat),
    ALLOW(readlink),
    ALLOW(getdents),
    ALLOW(getrlimit),
#endif
};

static const char *const readable[] = { "/", NULL };

const struct sandbox sanitizer_sandbox = {
    .rules = rules,
    .rule_count = sizeof(rules) / sizeof(rules[0]),
    .readable = readable,
};

#else

const struct sandbox sanitizer_sandbox = { .rule_count = 0 };

#endif

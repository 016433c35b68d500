/*
 * A process without a file system: an empty root for one that was started as
 * root, and Landlock for all.  Both come on top of the filter of system calls,
 * which forbids opening anyway, so a kernel that has neither is no reason to
 * stay away.
 */
#include "daemon/sandbox_files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* landlock(7), as of ABI 6; our headers may be older than the kernel. */
struct ruleset {
    uint64_t handled_files;
    uint64_t handled_net;
    uint64_t scoped;
};

struct beneath {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));

#define VERSION_FLAG 1u
#define RULE_PATH_BENEATH 1
#define READ_FILE (1ULL << 2)
#define READ_FOLDER (1ULL << 3)
#define NET_ALL ((1ULL << 0) | (1ULL << 1))   /* TCP: bind, connect */
#define SCOPE_ALL ((1ULL << 0) | (1ULL << 1)) /* abstract sockets, signals */

/* What each version of the interface knows. */
static const struct {
    uint64_t files;
    uint64_t net;
    uint64_t scoped;
} versions[] = {
    { (1ULL << 13) - 1, 0, 0 },
    { (1ULL << 14) - 1, 0, 0 },
    { (1ULL << 15) - 1, 0, 0 },
    { (1ULL << 15) - 1, NET_ALL, 0 },
    { (1ULL << 16) - 1, NET_ALL, 0 },
    { (1ULL << 16) - 1, NET_ALL, SCOPE_ALL },
};
enum { VERSIONS = sizeof(versions) / sizeof(versions[0]) };

static void
allow_reading(int ruleset, const char *path)
{
    struct beneath rule = { .allowed = READ_FILE | READ_FOLDER };

    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return; /* what is not there needs no permission */
    if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) !=
        0) {
        /* A file has no folder to be read. */
        rule.allowed = READ_FILE;
        (void)syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule,
            0);
    }
    close(rule.parent_fd);
}

static void
allow_reading_all(int ruleset, const char *const *readable)
{
    for (; readable != NULL && *readable != NULL; readable++)
        allow_reading(ruleset, *readable);
}

void
sandbox_restrict_files(const struct sandbox *s)
{
    long version =
        syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, VERSION_FLAG);
    struct ruleset wanted;
    int ruleset;

    if (version < 1)
        return;
    if (version > VERSIONS)
        version = VERSIONS;
    wanted = (struct ruleset){ versions[version - 1].files,
        s->may_connect ? 0 : versions[version - 1].net,
        versions[version - 1].scoped };
    ruleset =
        (int)syscall(SYS_landlock_create_ruleset, &wanted, sizeof(wanted), 0u);
    if (ruleset < 0)
        return;
    allow_reading_all(ruleset, s->readable);
    allow_reading_all(ruleset, sanitizer_sandbox.readable);
    (void)syscall(SYS_landlock_restrict_self, ruleset, 0u);
    close(ruleset);
}

/* The folder is gone before it becomes the root: nobody can put anything in. */
static void
enter_empty_folder(char *path)
{
    int fd;

    if (mkdtemp(path) == NULL)
        return;
    fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    (void)rmdir(path);
    if (fd < 0)
        return;
    if (fchdir(fd) == 0 && chroot(".") != 0)
        (void)!chdir("/");
    close(fd);
}

void
sandbox_close_files(const struct sandbox *s)
{
    char path[] = "/run/lockstepd-XXXXXX";

    if (s->readable == NULL && sanitizer_sandbox.readable == NULL &&
        geteuid() == 0)
        enter_empty_folder(path);
}

/*
 * The first moments of a child: gives up what its part does not need, before
 * it reads a byte from anybody, and runs the part.
 */
#include "daemon/child_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/escape.h"
#include "daemon/sandbox.h"

#define NO_MORE_FILES 6        /* descriptors 0 to 5 are all a session has */
#define SANITIZER_FILES 64     /* what the leak checker opens at the end */
#define OUTBOUND_FILES 65536   /* one a link */
#define DATA_MAX (512UL << 20) /* a session that needs more is under attack */

struct part {
    const char *name;
    const char *title; /* PR_SET_NAME, 15 characters */
    const struct sandbox *sandbox;
    void (*prepare)(void); /* before the sandbox; NULL */
    int (*run)(void);
    rlim_t files; /* 0: as many as can be had */
    bool no_threads;
};

static const struct part parts[] = {
    [CHILD_SESSION] = { "session", "lockstep-sessio", &session_sandbox,
        child_prepare_ssh, session_main,
        SANITIZED ? SANITIZER_FILES : NO_MORE_FILES, true },
    [CHILD_PUSHER] = { "pusher", "lockstep-pusher", &pusher_sandbox,
        child_prepare_ssh, pusher_main, 0, true },
    [CHILD_CONNECTOR] = { "connector", "lockstep-connec", &connector_sandbox,
        NULL, connector_main, 0, false },
};
enum { PART_COUNT = sizeof(parts) / sizeof(parts[0]) };

const char *
child_part_name(enum child_part part)
{
    return parts[part].name;
}

void
child_note(const char *fmt, ...)
{
    char text[1024];
    char line[1024];
    size_t len;
    va_list ap;

    va_start(ap, fmt);
    if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
        text[0] = '\0';
    va_end(ap);
    escape_text(text, strlen(text), line, sizeof(line) - 1);
    len = strlen(line);
    line[len++] = '\n';
    while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
        ;
}

static const struct part *
find_part(const char *name)
{
    for (size_t i = 0; i < PART_COUNT; i++)
        if (strcmp(parts[i].name, name) == 0)
            return &parts[i];
    return NULL;
}

/* lockstepd --child PART PARENT UID GID */
enum { ARG_FLAG = 1, ARG_PART, ARG_PARENT, ARG_UID, ARG_GID, ARG_COUNT };

bool
child_is_requested(int argc, char **argv)
{
    return argc > ARG_FLAG && strcmp(argv[ARG_FLAG], "--child") == 0;
}

static bool
parse_number(const char *text, unsigned long *n)
{
    char *end;

    errno = 0;
    *n = strtoul(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

static void
limit(__rlimit_resource_t what, rlim_t value)
{
    struct rlimit r = { value, value };

    (void)setrlimit(what, &r);
}

static void
raise_files(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return;
    if (r.rlim_max < OUTBOUND_FILES) {
        struct rlimit more = { OUTBOUND_FILES, OUTBOUND_FILES };

        if (setrlimit(RLIMIT_NOFILE, &more) == 0)
            return;
    }
    r.rlim_cur = r.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &r);
}

static void
limit_resources(const struct part *part)
{
    if (part->files == 0)
        raise_files();
    else
        limit(RLIMIT_NOFILE, part->files);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
    if (part->no_threads && !SANITIZED) {
        limit(RLIMIT_NPROC, 0);
        if (part == &parts[CHILD_SESSION])
            limit(RLIMIT_DATA, DATA_MAX);
    }
}

/* The numbers are the engine's, looked up once; ours already when the engine
 * does not run as root. */
static int
drop_user(uid_t uid, gid_t gid)
{
    if (geteuid() != 0 || uid == 0)
        return 0;
    if (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 ||
        setresuid(uid, uid, uid) != 0)
        return -1;
    return setuid(0) == 0 ? -1 : 0; /* there must be no way back */
}

/* Root that stays root, where there is no user for us, is an ordinary user
 * from here on.  The leak checker has to look at a process that is not to be
 * looked at. */
static int
drop_capabilities(void)
{
    struct __user_cap_header_struct header = {
        .version = _LINUX_CAPABILITY_VERSION_3
    };
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

    return SANITIZED ? 0 : (int)syscall(SYS_capset, &header, none);
}

static int
give_up_rights(const struct part *part, unsigned long parent, uid_t uid,
    gid_t gid)
{
    limit_resources(part);
    sandbox_close_files(part->sandbox);
    if (drop_user(uid, gid) != 0 || drop_capabilities() != 0)
        return -1;
    /* A change of user clears this, so it comes after. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 ||
        prctl(PR_SET_DUMPABLE, 0) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    (void)prctl(PR_SET_NAME, part->title);
    /* The engine may have ended before PDEATHSIG was set. */
    return (unsigned long)getppid() == parent ? 0 : -1;
}

static bool
is_socket(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

int
child_run(int argc, char **argv)
{
    return child_run_instead(argc, argv, NULL);
}

int
child_run_instead(int argc, char **argv, int (*instead)(void))
{
    const struct part *part;
    unsigned long parent, uid, gid;
    struct err e = ERR_INIT;

    if (argc != ARG_COUNT || (part = find_part(argv[ARG_PART])) == NULL ||
        !parse_number(argv[ARG_PARENT], &parent) ||
        !parse_number(argv[ARG_UID], &uid) ||
        !parse_number(argv[ARG_GID], &gid) || !is_socket(CHILD_CHANNEL_FD)) {
        fprintf(stderr, "--child is how lockstepd starts its own parts\n");
        return 2;
    }
    close(CHILD_BINARY_FD);
    (void)fcntl(CHILD_CHANNEL_FD, F_SETFD, FD_CLOEXEC);
    signal(SIGPIPE, SIG_IGN);
    if (part->prepare != NULL)
        part->prepare();
    if (give_up_rights(part, parent, (uid_t)uid, (gid_t)gid) != 0) {
        child_note("could not give up rights: %s", strerror(errno));
        return 1;
    }
    if (sandbox_enter(part->sandbox, &e) != 0) {
        child_note("%s", e.message);
        return 1;
    }
    return instead != NULL ? instead() : part->run();
}

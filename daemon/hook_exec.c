/*
 * A hook dies with the engine that started it, so that the next engine never
 * runs one beside it, and gets nothing of the engine's but what docs/hooks.md
 * says.
 */
#include "daemon/hook_exec.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define CANNOT_RUN 127
/* What programs expect that close all they might have. */
#define USUAL_FILES 1024

enum { ARG_FLAG = 1, ARG_PARENT, ARG_PROGRAM, ARG_NAME, ARG_COUNT = 8 };

bool
hook_exec_is_requested(int argc, char **argv)
{
    return argc > ARG_FLAG && strcmp(argv[ARG_FLAG], HOOK_EXEC_FLAG) == 0;
}

static void
limit_files(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur <= USUAL_FILES)
        return;
    r.rlim_cur = USUAL_FILES;
    (void)setrlimit(RLIMIT_NOFILE, &r);
}

int
hook_exec_run(int argc, char **argv)
{
    sigset_t none;

    if (argc != ARG_COUNT) {
        fprintf(stderr, "--hook is how lockstepd starts hooks\n");
        return 2;
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    umask(077);
    limit_files();
    closefrom(STDERR_FILENO + 1);
    if (chdir("/") != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        fprintf(stderr, "could not prepare: %s\n", strerror(errno));
        return CANNOT_RUN;
    }
    /* The engine may have ended before that. */
    if ((unsigned long)getppid() != strtoul(argv[ARG_PARENT], NULL, 10))
        return CANNOT_RUN;
    execve(argv[ARG_PROGRAM], argv + ARG_NAME, environ);
    fprintf(stderr, "could not be run: %s\n", strerror(errno));
    return CANNOT_RUN;
}

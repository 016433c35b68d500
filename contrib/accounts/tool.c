/* The output is read to its end, so that the program never waits for us. */
#include "contrib/accounts/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/escape.h"

#define HEARD_MAX 2048
#define CANNOT_RUN 127

/* In the child. */
static void
become(const char *const argv[], int out)
{
    /* execv takes them as they are, and changes nothing. */
    char *const *words = (char *const *)(void *)argv;

    if (dup2(out, 1) >= 0 && dup2(out, 2) >= 0)
        execv(argv[0], words);
    _exit(CANNOT_RUN);
}

/* Reads FD to its end, keeping the first of it. */
static void
hear(int fd, char heard[HEARD_MAX])
{
    char more[512];
    size_t len = 0;
    ssize_t n;

    while (
        (n = read(fd, more, sizeof(more))) > 0 || (n < 0 && errno == EINTR)) {
        size_t room = HEARD_MAX - 1 - len;
        size_t taken = n < 0 ? 0 : (size_t)n < room ? (size_t)n : room;

        memcpy(heard + len, more, taken);
        len += taken;
    }
    while (len > 0 && heard[len - 1] == '\n')
        len--;
    heard[len] = '\0';
}

int
tool_run(const char *const argv[], char said[TOOL_SAID], struct err *e)
{
    char heard[HEARD_MAX];
    int ends[2], status = -1;
    pid_t pid;

    said[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_set_errno(e, ERR_IO, errno, "could not make a pipe");
    pid = fork();
    if (pid == 0)
        become(argv, ends[1]);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return err_set_errno(e, ERR_IO, errno, "could not make a process");
    }
    hear(ends[0], heard);
    close(ends[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    escape_text(heard, strlen(heard), said, TOOL_SAID);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT_RUN)
        return err_set(e, ERR_IO, "could not run \"%s\"", argv[0]);
    return err_set(e, ERR_INVALID, "\"%s\" failed: %s", argv[0], said);
}

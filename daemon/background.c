/*
 * One fork, a session of its own, and a pipe that carries one byte: the exit
 * status.  A child that dies without a word has failed.
 */
#include "daemon/background.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

#define LOG_FILE_MAX (16 * 1024 * 1024)

int
background_start(struct background *b, struct err *e)
{
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_set_errno(e, ERR_IO, errno, "could not make a pipe");
    pid = fork();
    if (pid == -1) {
        err_set_errno(e, ERR_IO, errno, "could not fork");
        close(ends[0]);
        close(ends[1]);
        return -1;
    }
    b->is_parent = pid != 0;
    b->fd = ends[b->is_parent ? 0 : 1];
    close(ends[b->is_parent ? 1 : 0]);
    if (!b->is_parent && (setsid() == -1 || chdir("/") != 0))
        return err_set_errno(e, ERR_IO, errno, "could not leave the terminal");
    return 0;
}

int
background_wait(struct background *b)
{
    uint8_t status = EXIT_FAILURE;
    ssize_t got;

    do {
        got = read(b->fd, &status, 1);
    } while (got == -1 && errno == EINTR);
    close(b->fd);
    return got == 1 ? status : EXIT_FAILURE;
}

static void
tell(struct background *b, uint8_t status)
{
    if (b->fd == -1)
        return;
    while (write(b->fd, &status, 1) == -1 && errno == EINTR)
        ;
    close(b->fd);
    b->fd = -1;
}

static int
open_log(const char *state_dir, struct err *e)
{
    char *path = file_join(state_dir, "lockstepd.log");
    struct stat st;
    int fd;

    if (stat(path, &st) == 0 && st.st_size > LOG_FILE_MAX) {
        char *old = alloc_format("%s.1", path);

        if (rename(path, old) != 0)
            unlink(path);
        free(old);
    }
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd == -1)
        err_set_errno(e, ERR_IO, errno, "could not open \"%s\"", path);
    free(path);
    return fd;
}

int
background_ready(struct background *b, const char *state_dir, struct err *e)
{
    int log_fd;
    int null_fd;

    if (b->fd == -1)
        return 0;
    log_fd = open_log(state_dir, e);
    if (log_fd == -1)
        return -1;
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd == -1 || dup2(null_fd, STDIN_FILENO) == -1 ||
        dup2(null_fd, STDOUT_FILENO) == -1) {
        err_set_errno(e, ERR_IO, errno, "could not open /dev/null");
        close(log_fd);
        return -1;
    }
    tell(b, EXIT_SUCCESS);
    dup2(log_fd, STDERR_FILENO);
    close(log_fd);
    if (null_fd > STDERR_FILENO)
        close(null_fd);
    return 0;
}

void
background_fail(struct background *b, const struct err *e)
{
    tell(b, (uint8_t)err_exit_code(e->code));
}

/*
 * Reading secrets.
 */
#include "manager-tui/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define KEY_INTERRUPT 3
#define KEY_END 4
#define KEY_KILL 21

/* Byte by byte: what follows the line on stdin is for somebody else. */
static int
read_line(int fd, const char *name, char secret[SECRET_SIZE], struct err *e)
{
    size_t len = 0;
    ssize_t n;
    char c;

    while ((n = read(fd, &c, 1)) != 0) {
        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            return err_set_errno(e, ERR_IO, errno, "could not read \"%s\"",
                name);
        if (c == '\n')
            break;
        if (len + 1 >= SECRET_SIZE)
            return err_set(e, ERR_USAGE, "the line in \"%s\" is too long",
                name);
        secret[len++] = c;
    }
    if (len > 0 && secret[len - 1] == '\r')
        len--;
    secret[len] = '\0';
    if (len == 0)
        return err_set(e, ERR_USAGE, "\"%s\" is empty", name);
    if (strlen(secret) != len)
        return err_set(e, ERR_USAGE, "there is a NUL byte in \"%s\"", name);
    return 0;
}

int
secret_read_file(const char *path, char secret[SECRET_SIZE], struct err *e)
{
    int fd, r;

    if (strcmp(path, "-") == 0)
        return read_line(STDIN_FILENO, "stdin", secret, e);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return err_set_errno(e, ERR_USAGE, errno, "could not open \"%s\"",
            path);
    r = read_line(fd, path, secret, e);
    close(fd);
    return r;
}

/* One typed line, with the editing that a raw terminal leaves to us. */
static int
type_line(int fd, char secret[SECRET_SIZE], struct err *e)
{
    size_t len = 0;
    char c;

    for (;;) {
        ssize_t n = read(fd, &c, 1);

        if (n == -1 && errno == EINTR)
            continue;
        if (n <= 0 || c == KEY_INTERRUPT || (c == KEY_END && len == 0))
            return err_set(e, ERR_CANCELLED, "cancelled");
        if (c == '\n' || c == '\r')
            break;
        if (c == '\b' || c == 127)
            len -= len > 0;
        else if (c == KEY_KILL)
            len = 0;
        else if (len + 1 < SECRET_SIZE && (unsigned char)c >= 32)
            secret[len++] = c;
    }
    secret[len] = '\0';
    return 0;
}

int
secret_ask(const char *prompt, char secret[SECRET_SIZE], struct err *e)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    struct termios before, silent;
    int r;

    if (fd == -1 || tcgetattr(fd, &before) != 0) {
        if (fd != -1)
            close(fd);
        err_set(e, ERR_USAGE, "a password is needed and there is no terminal");
        err_hint(e, "Give --password-file FILE (\"-\" is stdin).");
        return -1;
    }
    dprintf(fd, "%s", prompt);
    /* Signals are keys here, so that the terminal is always put back. */
    silent = before;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG | IEXTEN);
    tcsetattr(fd, TCSAFLUSH, &silent);
    r = type_line(fd, secret, e);
    tcsetattr(fd, TCSAFLUSH, &before);
    dprintf(fd, "\n");
    close(fd);
    return r;
}

int
secret_ask_new(const char *what, char secret[SECRET_SIZE], struct err *e)
{
    char prompt[128], again[SECRET_SIZE];
    int r = -1;

    snprintf(prompt, sizeof(prompt), "New password for %.80s: ", what);
    if (secret_ask(prompt, secret, e) != 0)
        return -1;
    if (secret_ask("The same again: ", again, e) != 0)
        explicit_bzero(secret, SECRET_SIZE);
    else if (strcmp(secret, again) != 0)
        err_set(e, ERR_USAGE, "the two passwords differ");
    else
        r = 0;
    explicit_bzero(again, sizeof(again));
    return r;
}

void
secret_wipe_members(json_t *object)
{
    static const char *const members[] = { "password", "password_hash",
        "again" };

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        const json_t *value = json_object_get(object, members[i]);

        if (json_is_string(value))
            explicit_bzero((char *)json_string_value(value),
                json_string_length(value));
    }
}

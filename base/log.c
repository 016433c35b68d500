/*
 * The log.  A line is one write of at most PIPE_BUF bytes, so lines of several
 * processes on one pipe never mix.
 */
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"

static const char *const level_names[] = {
    [LOG_LEVEL_DEBUG] = "debug",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_ERROR] = "error",
};

static const char *log_part = "lockstep";
static atomic_int log_least = LOG_LEVEL_INFO;

void
log_init(const char *part, enum log_level least)
{
    log_part = part;
    log_least = (int)least;
}

void
log_set_level(enum log_level least)
{
    log_least = (int)least;
}

void
log_message(enum log_level level, const char *fmt, ...)
{
    char stamp[CLOCK_TEXT_SIZE];
    char text[2048];
    char line[PIPE_BUF];
    int saved_errno = errno;
    size_t len;
    va_list ap;

    if ((int)level < log_least)
        return;
    va_start(ap, fmt);
    if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
        text[0] = '\0';
    va_end(ap);
    clock_format(clock_utc_ms(), stamp);
    len = (size_t)snprintf(line, sizeof(line) / 2, "%s %s %.64s: ", stamp,
        level_names[level], log_part);
    escape_text(text, strlen(text), line + len, sizeof(line) - len - 1);
    len = strlen(line);
    line[len++] = '\n';
    /* A log that cannot be written must not stop the work. */
    while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
        ;
    errno = saved_errno;
}

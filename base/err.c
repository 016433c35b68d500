/*
 * The error object: setting it, wrapping it, and its form on the wire.  All
 * text passes escape_text, so an error that quotes a name from outside is one
 * line and safe on any screen.
 */
#include "base/err.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"

/* What err.h defines for the analyzer would stand in the way here. */
#undef err_set
#undef err_set_errno
#undef err_wrap

static const struct {
    const char *name;
    int exit_code;
} codes[ERR_CODE_COUNT] = {
    [ERR_NONE] = { "NONE", 0 },
#define ERR(symbol, name, exit_code) [ERR_##symbol] = { name, exit_code },
#include "base/err.def"
#undef ERR
};

/* Formats into OUT by way of a buffer, so that an argument may be OUT. */
static void
format_line(char *out, size_t size, const char *fmt, va_list ap)
{
    char text[1024];

    if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
        text[0] = '\0';
    escape_text(text, strlen(text), out, size);
}

static bool
code_is_valid(enum err_code code)
{
    return (unsigned)code < ERR_CODE_COUNT;
}

int
err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    va_list ap;

    assert(code_is_valid(code) && code != ERR_NONE);
    va_start(ap, fmt);
    format_line(e->message, sizeof(e->message), fmt, ap);
    va_end(ap);
    e->code = code;
    e->hint[0] = '\0';
    return -1;
}

int
err_set_errno(struct err *e, enum err_code code, int errnum, const char *fmt,
    ...)
{
    char context[sizeof(e->message)];
    char reason[128];
    const char *text = strerrordesc_np(errnum);
    va_list ap;

    va_start(ap, fmt);
    format_line(context, sizeof(context), fmt, ap);
    va_end(ap);
    if (text != NULL)
        snprintf(reason, sizeof(reason), "%s", text);
    else
        snprintf(reason, sizeof(reason), "error number %d", errnum);
    /* Our messages are lower case, except where the C library's text begins
     * with an abbreviation. */
    if (!isupper((unsigned char)reason[1]))
        reason[0] = (char)tolower((unsigned char)reason[0]);
    if (errnum == ENOSPC || errnum == EDQUOT)
        code = ERR_NO_SPACE;
    return err_set(e, code, "%s: %s", context, reason);
}

void
err_hint(struct err *e, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    format_line(e->hint, sizeof(e->hint), fmt, ap);
    va_end(ap);
}

int
err_wrap(struct err *e, const char *fmt, ...)
{
    char context[sizeof(e->message)];
    char text[2 * sizeof(e->message) + 3];
    va_list ap;

    va_start(ap, fmt);
    format_line(context, sizeof(context), fmt, ap);
    va_end(ap);
    snprintf(text, sizeof(text), "%s: %s", context, e->message);
    escape_text(text, strlen(text), e->message, sizeof(e->message));
    return -1;
}

void
err_clear(struct err *e)
{
    e->code = ERR_NONE;
    e->message[0] = '\0';
    e->hint[0] = '\0';
}

const char *
err_code_name(enum err_code code)
{
    return codes[code_is_valid(code) ? code : ERR_INTERNAL].name;
}

enum err_code
err_code_parse(const char *name)
{
    for (int i = 0; i < ERR_CODE_COUNT; i++)
        if (strcmp(codes[i].name, name) == 0)
            return (enum err_code)i;
    return ERR_INTERNAL;
}

int
err_exit_code(enum err_code code)
{
    return codes[code_is_valid(code) ? code : ERR_INTERNAL].exit_code;
}

void
err_format(const struct err *e, char *out, size_t size)
{
    snprintf(out, size, "%s: %s%s%s", err_code_name(e->code), e->message,
        e->hint[0] != '\0' ? "\n" : "", e->hint);
}

/* Splits "NAME: message" at the colon.  NAME must be a code that can be an
 * error; a text that is not of this form is all message. */
static const char *
split_code(const char *line, size_t len, enum err_code *code)
{
    const char *colon = memchr(line, ':', len);
    char name[40];

    *code = ERR_INTERNAL;
    if (colon == NULL || (size_t)(colon - line) >= sizeof(name))
        return line;
    memcpy(name, line, (size_t)(colon - line));
    name[colon - line] = '\0';
    *code = err_code_parse(name);
    if (*code == ERR_NONE || strcmp(err_code_name(*code), name) != 0) {
        *code = ERR_INTERNAL;
        return line;
    }
    colon++;
    return colon < line + len && *colon == ' ' ? colon + 1 : colon;
}

void
err_parse(struct err *e, const char *text)
{
    size_t len = strcspn(text, "\n");
    const char *hint = text[len] == '\n' ? text + len + 1 : "";
    const char *message = split_code(text, len, &e->code);

    escape_text(message, (size_t)(text + len - message), e->message,
        sizeof(e->message));
    escape_text(hint, strlen(hint), e->hint, sizeof(e->hint));
    if (e->message[0] == '\0')
        escape_text("no reason given", 15, e->message, sizeof(e->message));
}

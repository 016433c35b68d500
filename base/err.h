/*
 * The one error object: what went wrong, on which object, and what to do now.
 *
 *     struct err e = ERR_INIT;
 *     if (node_load(&node, name, &e) != 0)
 *         fprintf(stderr, "%s\n%s\n", e.message, e.hint);
 *
 * Fallible functions return 0 or -1 and take a struct err last, which the
 * caller owns and which is never NULL.  The same object crosses the wire, so
 * every screen and log shows the same words.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stddef.h>

enum err_code {
    ERR_NONE = 0,
#define ERR(symbol, name, exit_code) ERR_##symbol,
#include "base/err.def"
#undef ERR
    ERR_CODE_COUNT
};

struct err {
    enum err_code code;
    char message[512]; /* lower case, no full stop, one line */
    char hint[384];    /* a full sentence, or empty */
};

#define ERR_INIT         \
    {                    \
        ERR_NONE, "", "" \
    }

/* Sets code and message (cut when too long) and clears the hint.
 * Returns -1, so that a caller can write "return err_set(...)". */
int err_set(struct err *e, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* As err_set, with ": " and strerror(ERRNUM) appended; ENOSPC and EDQUOT turn
 * CODE into ERR_NO_SPACE. */
int err_set_errno(struct err *e, enum err_code code, int errnum,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Replaces the hint. */
void err_hint(struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Puts "CONTEXT: " before the message.  Returns -1. */
int err_wrap(struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
#ifdef __clang_analyzer__
/* The analyzer does not look into err.c: tell it what these return, or it takes
 * every "return err_set(...)" for a possible success. */
#define err_set(...) (err_set(__VA_ARGS__), -1)
#define err_set_errno(...) (err_set_errno(__VA_ARGS__), -1)
#define err_wrap(...) (err_wrap(__VA_ARGS__), -1)
#endif
/* Clears to ERR_NONE. */
void err_clear(struct err *e);

/* The wire name ("NO_SPACE"); "NONE" for ERR_NONE. */
const char *err_code_name(enum err_code code);
/* The code of a wire name; ERR_INTERNAL when unknown. */
enum err_code err_code_parse(const char *name);
/* What the command line exits with: 0 for ERR_NONE. */
int err_exit_code(enum err_code code);

/* Formats "CODE: message" plus "\n" and the hint if there is one, as it travels
 * in an SFTP STATUS; err_parse reads that back (code INTERNAL if malformed). */
void err_format(const struct err *e, char *out, size_t size);
void err_parse(struct err *e, const char *text);

#endif

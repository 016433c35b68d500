/*
 * Reading SQL text as far as Lockstep must: tokens, and lists split at their
 * commas.  It knows quotes, comments and parentheses, and no grammar.
 */
#ifndef SYNC_SQLTEXT_H
#define SYNC_SQLTEXT_H

#include <stdbool.h>
#include <stddef.h>

enum sql_kind {
    SQL_END,
    SQL_SPACE,  /* blanks and comments */
    SQL_WORD,   /* a bare name, keyword or number */
    SQL_NAME,   /* a name in double quotes, backquotes or brackets */
    SQL_STRING, /* in single quotes */
    SQL_OTHER   /* one character */
};

struct sql_slice {
    const char *text;
    size_t len;
};

/* Takes the next token off the front of *REST. */
enum sql_kind sql_next(struct sql_slice *rest, struct sql_slice *token);
/* As sql_next, but steps over blanks and comments. */
enum sql_kind sql_next_visible(struct sql_slice *rest, struct sql_slice *token);
/* Without blanks and comments at either end. */
struct sql_slice sql_trim(struct sql_slice s);
/* Takes the part up to the next comma outside parentheses and quotes off the
 * front of *REST; false when nothing is left. */
bool sql_next_part(struct sql_slice *rest, struct sql_slice *part);
/* Steps *REST to behind the next "(" outside quotes and gives what stands
 * between it and its ")"; false when there is none. */
bool sql_next_parenthesis(struct sql_slice *rest, struct sql_slice *inside);
/* The text of a token without its quotes; a fresh string. */
char *sql_unquote(struct sql_slice token);
/* Whether a token is that word, in any case. */
bool sql_is_word(struct sql_slice token, const char *word);
/* Whether a WORD or NAME token names NAME, as SQLite compares names. */
bool sql_is_name(enum sql_kind kind, struct sql_slice token, const char *name);
/* Whether a text has such a token anywhere. */
bool sql_mentions(struct sql_slice text, const char *name);

#endif

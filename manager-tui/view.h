/*
 * Results for people: JSON shown as aligned tables and lists of fields, chosen
 * by a table of columns.  Every text is escaped (base/escape.h), whoever sent
 * it.
 *
 *     static const struct column users[] = {
 *         { "NAME", "name", COLUMN_TEXT, false },
 *         { "LAST SEEN", "seen", COLUMN_AGE, false },
 *         { "COMMENT", "comment", COLUMN_TEXT, true },
 *         { NULL, NULL, COLUMN_TEXT, false },
 *     };
 *     view_table(stdout, json, users, view_width());
 */
#ifndef MANAGER_TUI_VIEW_H
#define MANAGER_TUI_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum column_kind {
    COLUMN_TEXT, /* texts and numbers as they are */
    COLUMN_AGE,  /* a time as "12 s ago" or "in 3 min" */
    COLUMN_TIME, /* a time as it is */
    COLUMN_YES_NO,
    COLUMN_BYTES, /* "4.2 MB" */
    COLUMN_MS,    /* a duration: "60 s" */
    COLUMN_SECONDS,
    COLUMN_LIST,      /* an array of texts, separated by commas */
    COLUMN_ENFORCERS, /* the same: "enforced by A, B", "not enforced here" */
    COLUMN_COUNT      /* the length of an array */
};

struct column {
    const char *title;  /* NULL ends a table */
    const char *member; /* "a.b" looks inside */
    enum column_kind kind;
    bool flexible; /* may be cut to fit the width of a terminal */
};

/* One part of a command's result. */
struct view {
    const char *member; /* "" is the whole result; NULL ends */
    bool list;          /* an array as a table, else an object as fields */
    const struct column *columns;
    const char *empty; /* said when the list is empty; NULL */
};

/* No limit: what a program reads is never cut. */
#define VIEW_UNLIMITED ((size_t)1 << 30)
/* Columns of the terminal on stdout; COLUMNS, or no limit, when it is none. */
size_t view_width(void);
/* The member at a path "a.b", borrowed; NULL when missing or null. */
const json_t *view_member(const json_t *object, const char *path);
/* The member as shown, in a fresh string: "-" when missing. */
char *view_cell(const json_t *object, const struct column *column);
/* One line a row.  Where that does not fit WIDTH, in this order: columns
 * without a single value are left out, flexible ones cut to 24 columns, titles
 * broken between words, flexible ones cut to 8, sentences of the last column
 * broken too; else each row becomes a list of fields. */
void view_table(FILE *out, const json_t *array, const struct column *columns,
    size_t width);
/* One line a member that is there; sentences are broken between words. */
void view_fields(FILE *out, const json_t *object, const struct column *columns,
    size_t width);
/* All VIEWS of a result, one after the other. */
void view_print(FILE *out, const json_t *result, const struct view *views,
    size_t width);

#endif

/*
 * Which part of a database is replicated: tables that are left out, columns
 * whose values every node has its own of, and rows that belong to the node.
 *
 *     struct selection s = SELECTION_INIT;
 *     selection_add_columns(&s, "users.last_login, users.used_quota", &e);
 *     selection_add_rows(&s, "settings WHERE scope = 'local'", &e);
 *     selection_add_tables(&s, "sessions, log", &e);
 *     char *text = selection_text(&s);    // canonical; selection_read takes it
 *     selection_release(&s);
 *
 * It is decided on the primary and travels with the schema, whose hash covers
 * its text.  Names are compared as SQLite compares them and kept in lower case.
 */
#ifndef SYNC_SELECTION_H
#define SYNC_SELECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* No text may be longer. */
#define SELECTION_TEXT_MAX ((size_t)64 << 10)

struct selection_table {
    char *name;
    bool excluded;  /* then there is nothing below */
    char **columns; /* protected; sorted */
    size_t column_count;
    char *filter; /* SQL expression, true for protected rows; or NULL */
};

struct selection {
    struct selection_table *tables; /* sorted by name */
    size_t count;
};

#define SELECTION_INIT \
    {                  \
        NULL, 0        \
    }

/* "TABLE.COLUMN, ..."; names may be quoted as in SQL.  Each of these adds to S
 * and returns 0, or -1 with ERR_INVALID. */
int selection_add_columns(struct selection *s, const char *list, struct err *e);
/* "TABLE WHERE EXPRESSION; ..." */
int selection_add_rows(struct selection *s, const char *list, struct err *e);
/* "TABLE, ..." */
int selection_add_tables(struct selection *s, const char *list, struct err *e);

/* The canonical text: one line for each table left out, column or rows; a fresh
 * string, "" for an empty selection. */
char *selection_text(const struct selection *s);
/* Reads such a text; ERR_INVALID on anything else. */
int selection_read(struct selection *s, const char *text, struct err *e);
void selection_release(struct selection *s);

/* What is said of that table; NULL: nothing. */
const struct selection_table *selection_find(const struct selection *s,
    const char *table);
bool selection_excludes(const struct selection *s, const char *table);
bool selection_has_column(const struct selection_table *t, const char *column);

#endif

/*
 * Rows as commands see them: a table of fields says which argument is which
 * column, so that one description serves adding, changing and showing.
 *
 *     struct row row = ROW_INIT;
 *     row_take(&row, fields, args, &e);         // what the caller gave
 *     row_insert(db, "users", &row, &id, &e);
 */
#ifndef DAEMON_CONFIG_ROW_H
#define DAEMON_CONFIG_ROW_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum row_kind {
    ROW_TEXT, /* "" is NULL */
    ROW_INT,
    ROW_BOOL, /* 0 or 1 */
    ROW_TIME  /* RFC 3339 to UTC seconds; "" and "never" are NULL */
};

struct row_field {
    const char *member; /* NULL ends a table */
    const char *column;
    enum row_kind kind;
};

#define ROW_MAX 16

struct row {
    struct {
        const char *column; /* borrowed, as is text */
        const char *text;   /* NULL: the number, or NULL */
        int64_t number;
        bool null;
    } values[ROW_MAX];
    size_t count;
};

#define ROW_INIT   \
    {              \
        .count = 0 \
    }

/* Collects the members of ARGS that FIELDS name; texts stay borrowed. */
int row_take(struct row *row, const struct row_field *fields,
    const json_t *args, struct err *e);
bool row_has(const struct row *row, const char *column);
void row_put_text(struct row *row, const char *column, const char *text);
void row_put_int(struct row *row, const char *column, int64_t number);
/* Refusals come translated (config_constraint.h).  An update without values is
 * ERR_INVALID. */
int row_insert(sqlite3 *db, const char *table, const struct row *row,
    int64_t *id, struct err *e);
int row_update(sqlite3 *db, const char *table, int64_t id,
    const struct row *row, struct err *e);
/* DELETE by id; ERR_NOT_FOUND calls the row WHAT. */
int row_delete(sqlite3 *db, const char *table, int64_t id, const char *what,
    struct err *e);

/* The id of the row of TABLE with that name; WHAT names it in ERR_NOT_FOUND. */
int row_find(sqlite3 *db, const char *table, const char *what, const char *name,
    int64_t *id, struct err *e);
/* Runs SQL, whose one parameter is ID; the number of its first row, or
 * OTHERWISE. */
int row_number(sqlite3 *db, const char *sql, int64_t id, int64_t otherwise,
    int64_t *number, struct err *e);
/* Prepares with one bound id, or with none for -1. */
int row_query(sqlite3 *db, const char *sql, int64_t id, sqlite3_stmt **stmt,
    struct err *e);
/* The columns of the present row, in the order of FIELDS, as an object. */
json_t *row_json(sqlite3_stmt *stmt, const struct row_field *fields);
/* All rows as an array of such objects; finalizes STMT. */
int row_json_all(sqlite3 *db, sqlite3_stmt *stmt,
    const struct row_field *fields, json_t **array, struct err *e);

#endif

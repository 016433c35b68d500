/*
 * The rows that a table of users.db is to hold, and what of it differs.  Both
 * are gone through in the order of the table's key, side by side: one pass, and
 * only what differs is written.
 *
 *     struct row_set s = { .table = &table };
 *     row_set_add(&s)[0] = ...;                  for each row
 *     row_set_sort(&s);
 *     if (row_set_compare(&s, db, &e) != 0 ||
 *         row_set_write(&s, db, &e) != 0) ...    in one transaction
 *     row_set_release(&s);
 */
#ifndef CONTRIB_PROFTPD_ROW_SET_H
#define CONTRIB_PROFTPD_ROW_SET_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct row_table {
    const char *select; /* every row, in the order of the key */
    const char *remove; /* one by its key, from ?1 on */
    const char *insert;
    unsigned int columns;
    unsigned int key; /* so many of the columns, the first, are it: text */
};

struct row_cell {
    const char *text; /* borrowed, NUL at its end; NULL: a number */
    int64_t number;   /* the length of the text otherwise */
};

/* A row that the table lacks. */
struct row_missing {
    size_t row;
    uint32_t differs; /* bits of columns in which it has another, or all */
};

struct row_set {
    const struct row_table *table;
    struct row_cell *cells; /* row by row */
    size_t count;
    size_t room;
    struct row_missing *missing; /* by row_set_compare, in order */
    size_t missing_count;
    size_t missing_room;
    sqlite3_value **gone; /* keys of rows that are not to be there, or so */
    size_t gone_count;    /* of rows */
    size_t gone_room;
};

struct row_cell row_text(const char *text);
struct row_cell row_number(int64_t number);

/* The cells of one more row, to be filled; good until the next. */
struct row_cell *row_set_add(struct row_set *s);
/* The cells of row I. */
struct row_cell *row_set_at(const struct row_set *s, size_t i);
/* Brings the rows into the order of the key; of two with one key the second
 * goes. */
void row_set_sort(struct row_set *s);
/* Leaves those of whose first cell KEEP says yes; the order stays. */
void row_set_filter(struct row_set *s,
    bool (*keep)(const void *ctx, const char *name), const void *ctx);
/* Finds what is missing and gone; the table is read to its end. */
int row_set_compare(struct row_set *s, sqlite3 *db, struct err *e);
/* Writes what was found; within the caller's transaction, which no other write
 * separates from the comparison. */
int row_set_write(const struct row_set *s, sqlite3 *db, struct err *e);
void row_set_release(struct row_set *s);

#endif

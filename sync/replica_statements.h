/*
 * Prepared statements of the tables of a replica, made at first use and kept.
 * Parameters of every statement: the key's parts from 1 on, then the columns.
 */
#ifndef SYNC_REPLICA_STATEMENTS_H
#define SYNC_REPLICA_STATEMENTS_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "sync/schema.h"

/* A set of columns is a bit each, lowest first; tables with more columns than
 * bits are updated whole. */
#define ROW_ALL_COLUMNS UINT64_MAX
#define ROW_COLUMNS_MAX 63

struct row_table;

/* As many as S has tables, in its order; S must outlive them. */
struct row_table *row_tables_new(const struct schema *s);
void row_tables_free(struct row_table *tables, size_t count);
/* NULL when there is no such table. */
struct row_table *row_tables_find(struct row_table *tables, size_t count,
    const char *name);
const struct table *row_table_get(const struct row_table *rt);
/* Borrowed; NULL with E when it cannot be prepared. */
sqlite3_stmt *row_table_select(struct row_table *rt, sqlite3 *db,
    struct err *e);
sqlite3_stmt *row_table_insert(struct row_table *rt, sqlite3 *db,
    struct err *e);
sqlite3_stmt *row_table_remove(struct row_table *rt, sqlite3 *db,
    struct err *e);
sqlite3_stmt *row_table_update(struct row_table *rt, sqlite3 *db,
    uint64_t columns, struct err *e);
/* ERR_UNSUPPORTED when a table of S cannot be replicated into DB. */
int row_tables_check(sqlite3 *db, const struct schema *s, struct err *e);

#endif

/*
 * What a database looks like: its tables with their keys and replicated
 * columns, and one hash over all of it.  Lockstep's own objects (names that
 * begin with "_lockstep_") and SQLite's (sqlite_*) are not part of it.
 *
 *     struct schema *s = NULL;
 *     if (schema_load(&s, db, &e) != 0) ...
 *     const struct table *t = schema_find_table(s, "users");
 *     schema_free(s);
 */
#ifndef SYNC_SCHEMA_H
#define SYNC_SCHEMA_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"

struct table_column {
    char *name;
    char *default_sql;   /* DEFAULT expression text or NULL */
    char *affinity_type; /* declared type text, "" if none */
    char *collation;     /* "BINARY", "NOCASE", ... */
    bool not_null;
    int key_rank; /* 1.. within PRIMARY KEY, 0 otherwise */
};

struct table {
    char *name;
    char *sql; /* as stored in sqlite_schema */
    bool without_rowid;
    char *rowid_name;     /* rowid, _rowid_ or oid; an INTEGER PRIMARY KEY's own
                            name; NULL for WITHOUT ROWID */
    bool rowid_is_column; /* has an INTEGER PRIMARY KEY */
    bool autoincrement;
    struct table_column *columns; /* replicated: not generated, not hidden */
    int column_count;
    int *key_columns; /* WITHOUT ROWID: indexes into columns, in key order */
    int key_count;    /* 1 for rowid tables */
    char **key_collations;   /* WITHOUT ROWID: the primary key's own, by rank */
    const char *unsupported; /* why this table cannot be replicated, or NULL:
                                virtual tables, no free rowid name, ... */
};

/* A stored object that is not a table: for DDL. */
struct schema_object {
    char *type; /* "table", "index", "view", "trigger" */
    char *name;
    char *table;
    char *sql;
};

struct schema {
    struct table *tables; /* sorted by name, bytewise */
    size_t table_count;
    struct schema_object *objects; /* all with sql, in creation (rowid) order */
    size_t object_count;
    uint8_t hash[HASH_SIZE]; /* see docs/protocol.md, "Schema hash" */
};

int schema_load(struct schema **schema, sqlite3 *db, struct err *e);
void schema_free(struct schema *schema);
const struct table *schema_find_table(const struct schema *s, const char *name);

/* How to get from OLD to NEW by DDL alone: CREATE of added tables, indexes,
 * views, triggers, DROP of dropped indexes, views and triggers, ADD COLUMN.
 * Appends varint count and counted statements to DDL and returns 0; returns 1
 * (not an error) when something else changed, naming it in WHY. */
int schema_diff(const struct schema *old, const struct schema *new,
    struct buf *ddl, char *why, size_t why_size);

/* SQL pieces; fresh strings, the caller frees.  An identifier is quoted with
 * double quotes. */
char *sql_quote_name(const char *name);
/* "SELECT key..., col... FROM t WHERE key = ?1 AND ..." */
char *table_select_by_key_sql(const struct table *t);
/* "SELECT key..., col... FROM t ORDER BY key" */
char *table_select_all_sql(const struct table *t);
/* Encodes the current row of either SELECT as key and row tuples, appended. */
void table_read_row(const struct table *t, sqlite3_stmt *stmt, struct buf *key,
    struct buf *row);
/* True when rows and keys of one mean the same in the other: same key, same
 * replicated columns. */
bool table_same_shape(const struct table *a, const struct table *b);

#endif

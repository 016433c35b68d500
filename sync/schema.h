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
#include "sync/selection.h"

struct table_column {
    char *name;
    char *default_sql;   /* DEFAULT expression text or NULL */
    char *affinity_type; /* declared type text, "" if none */
    char *collation;     /* "BINARY", "NOCASE", ... */
    bool not_null;
    int key_rank; /* 1.. within PRIMARY KEY, 0 otherwise */
};

/* A column whose values every node has its own of: no part of a row. */
struct kept_column {
    char *name;
    /* What a new row gets where SQL demands a value and gives none itself: a
     * literal, or NULL. */
    const char *filler;
};

struct table {
    char *name;
    char *sql; /* as stored in sqlite_schema */
    bool without_rowid;
    char *rowid_name;     /* rowid, _rowid_ or oid; an INTEGER PRIMARY KEY's own
                            name; NULL for WITHOUT ROWID */
    bool rowid_is_column; /* has an INTEGER PRIMARY KEY */
    bool autoincrement;
    bool is_shadow;               /* holds the rows of a virtual table */
    struct table_column *columns; /* replicated: not generated, not hidden */
    int column_count;
    int *key_columns; /* WITHOUT ROWID: indexes into columns, in key order */
    int key_count;    /* 1 for rowid tables */
    struct kept_column *kept;
    int kept_count;
    char *filter;            /* SQL expression, true for rows that belong to
                                the node alone; or NULL */
    char **key_collations;   /* WITHOUT ROWID: the primary key's own, by rank */
    const char *unsupported; /* why this table cannot be replicated, or NULL:
                                a virtual table of another module, ... */
};

/* A stored object that is not a table: for DDL. */
struct schema_object {
    char *type; /* "table", "index", "view", "trigger" */
    char *name;
    char *table;
    char *sql;
    bool is_shadow; /* comes and goes with its virtual table */
};

struct schema {
    /* Sorted by name, bytewise.  A virtual table that can be replicated is not
     * among them: its rows are those of its shadow tables. */
    struct table *tables;
    size_t table_count;
    bool has_shadows; /* which a defensive connection may not write */
    struct schema_object *objects; /* all with sql, in creation (rowid) order */
    size_t object_count;
    uint8_t hash[HASH_SIZE]; /* see docs/protocol.md, "Schema hash" */
    struct selection selection;
    char *selection_text; /* canonical; "" when all is replicated */
    char *conflict;       /* why the selection does not fit, or NULL */
    char **left_out;      /* shadow tables of virtual tables left out */
    size_t left_out_count;
};

/* ERR_UNSUPPORTED for a database that is not encoded in UTF-8: text is compared
 * and sent as those bytes, and what is malformed in UTF-16 has none. */
int schema_check_encoding(sqlite3 *db, struct err *e);
/* With the selection that the file's state row names. */
int schema_load(struct schema **schema, sqlite3 *db, struct err *e);
/* With that one (canonical text; NULL or "" is none): what it leaves out is not
 * part of the schema. */
int schema_load_selected(struct schema **schema, sqlite3 *db,
    const char *selection, struct err *e);
void schema_free(struct schema *schema);
const struct table *schema_find_table(const struct schema *s, const char *name);

enum schema_plan {
    SCHEMA_PLAIN, /* what is alike is left alone */
    SCHEMA_CARRY, /* tables are made anew, rows moved over inside the file */
    SCHEMA_ROWS   /* tables are made anew, empty: their rows travel */
};

/* How to get from OLD to NEW by DDL in that way.  Appends a list of statements
 * (sync/ddl.h) and returns 0; returns 1 (not an error) when there is none,
 * saying in WHY. */
int schema_diff(const struct schema *old, const struct schema *new,
    enum schema_plan plan, struct buf *ddl, char *why, size_t why_size);

/* Whether an object is a virtual table, by its text. */
bool schema_is_virtual(const char *sql);
/* Whether the shadow tables that virtual table NAME has in DB have the texts
 * that S says.  A rename puts their names in other quotes than CREATE does:
 * where they differ, renaming the table to SCHEMA_RENAMED and back helps. */
bool schema_shadows_alike(sqlite3 *db, const struct schema *s,
    const char *name);
#define SCHEMA_RENAMED "_lockstep_renamed"
/* NULL if the virtual table NAME, made by that text, can be replicated; else
 * why not. */
const char *schema_refuse_virtual(sqlite3 *db, const char *name,
    const char *sql);

/* SQL pieces; fresh strings, the caller frees.  An identifier is quoted with
 * double quotes. */
char *sql_quote_name(const char *name);
void sql_put_name(struct buf *b, const char *name);
/* BEFORE and the condition that keeps protected rows out; nothing where T has
 * none. */
void table_put_filter(struct buf *b, const struct table *t, const char *before);
/* Of an INSERT that gives all replicated columns, the protected ones that must
 * have a value: ",name" each, or ",literal" (VALUES). */
void table_put_fillers(struct buf *b, const struct table *t, bool values);
/* "SELECT key..., col... FROM t WHERE key = ?1 AND ..." */
char *table_select_by_key_sql(const struct table *t);
/* "SELECT key..., col... FROM t ORDER BY key" */
char *table_select_all_sql(const struct table *t);
/* The same of rows behind key ?1... */
char *table_select_after_sql(const struct table *t);
/* "SELECT key... FROM t ORDER BY key", and
 * "SELECT 1 FROM t WHERE key = ?1 AND ...". */
char *table_select_keys_sql(const struct table *t);
char *table_find_sql(const struct table *t);
/* Encodes the current row of either SELECT as key and row tuples, appended. */
void table_read_row(const struct table *t, sqlite3_stmt *stmt, struct buf *key,
    struct buf *row);
/* True when rows and keys of one mean the same in the other: same key, same
 * replicated columns, same protected rows. */
bool table_same_shape(const struct table *a, const struct table *b);

#endif

/*
 * The inside of schema_diff: a plan is a list of statements that were tried in
 * a model, one after the other.  Nobody but schema_diff.c, schema_alter.c,
 * schema_rename.c and schema_move.c includes this.
 */
#ifndef SYNC_SCHEMA_PLAN_H
#define SYNC_SCHEMA_PLAN_H

#include <sqlite3.h>

#include "sync/schema.h"
#include "sync/sqltext.h"

struct plan {
    sqlite3 *model;
    const struct schema *old, *new;
    struct buf text; /* counted statements */
    uint64_t count;
    bool legacy;      /* what legacy_alter_table is at this point */
    char **origins;   /* per table of NEW: the table of OLD whose rows it takes
                        over, by its name in the model; NULL: none */
    struct err error; /* of the statement that failed last */
};

/* A point to go back to. */
struct plan_mark {
    size_t len;
    uint64_t count;
    bool legacy;
};

/* schema_diff.c */
/* Executes a statement in the model; part of the plan if that went well. */
bool plan_try(struct plan *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
bool plan_set_legacy(struct plan *p, bool on);
struct plan_mark plan_mark(struct plan *p);
void plan_keep(struct plan *p);
void plan_undo(struct plan *p, struct plan_mark mark);
/* Whether the model has that object letter by letter. */
bool plan_has(struct plan *p, const struct schema_object *o);
/* The model's text of a table, "" if there is none; fresh. */
char *plan_table_text(struct plan *p, const char *name);
/* The stored object of that table. */
const struct schema_object *plan_object(const struct schema *s,
    const char *table);
bool schema_object_is_table(const struct schema_object *o);

/* schema_rename.c */
/* Renames tables where that alone explains a new one. */
bool plan_rename_tables(struct plan *p);
/* Makes a virtual table with shadow tables as they are wanted. */
bool plan_make_virtual(struct plan *p, const struct schema_object *o);

/* schema_alter.c */
/* Columns added, renamed, dropped by ALTER TABLE, where that gives the text
 * wanted; other tables are left as they are. */
void plan_alter_tables(struct plan *p);

/* schema_move.c */
/* Drops tables that are gone or still differ, makes those that are missing;
 * with CARRY rows that live on are moved from the old table to the new. */
bool plan_replace_tables(struct plan *p, bool carry);

#endif

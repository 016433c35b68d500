/*
 * A selection (sync/selection.h) over a schema while it is loaded.  Internal to
 * schema.c.
 */
#ifndef SYNC_SCHEMA_SELECT_H
#define SYNC_SCHEMA_SELECT_H

#include "sync/schema.h"

/* Reads S->selection_text, and which shadow tables go with virtual tables that
 * are left out. */
int schema_select_begin(struct schema *s, sqlite3 *db, struct err *e);
/* Whether TABLE, and what stands on it, is not part of the schema. */
bool schema_leaves_out(const struct schema *s, const char *table);
/* Whether the column that STMT, a row of pragma_table_xinfo, is at is protected
 * in T; it is noted there then. */
bool schema_keep_column(struct schema *s, struct table *t, sqlite3_stmt *stmt);
/* Whether that is a column of T whose values are sent. */
bool schema_sends_column(const struct table *t, const char *column);
/* Whether the virtual table O is full text search over what S does not send: a
 * fresh string in WHY then, for people; else NULL. */
int schema_check_content(const struct schema *s, const struct schema_object *o,
    sqlite3 *db, char **why, struct err *e);
/* After all tables were loaded: their filters; and S->conflict, when the
 * selection names a column that is not there, cannot do without a value that is
 * protected, or filters by what SQL alone does not decide. */
int schema_select_end(struct schema *s, sqlite3 *db, struct err *e);

#endif

/*
 * Schema changes as statements: made into a list on the primary, executed in
 * the published copy and on every secondary by the same code.
 *
 * The list is a varint count and that many counted statements.  A statement
 * begins with CREATE, ALTER, DROP or INSERT, or is one of the two texts below.
 */
#ifndef SYNC_DDL_H
#define SYNC_DDL_H

#include <sqlite3.h>

#include "base/buf.h"
#include "base/err.h"
#include "sync/digest.h"
#include "sync/schema.h"

/* With it, renaming a table leaves alone what refers to it.  Off at the start
 * of every list, whatever the one before left. */
#define DDL_LEGACY_ON "PRAGMA legacy_alter_table=ON"
#define DDL_LEGACY_OFF "PRAGMA legacy_alter_table=OFF"

/* An in-memory database with that schema and no rows.  ERR_SCHEMA when such a
 * one cannot be made letter by letter.  The caller closes. */
int ddl_model(sqlite3 **model, const struct schema *s, struct err *e);

/* Executes one statement, if it is of the kinds above and stays within the
 * schema.  ERR_SCHEMA when SQLite refuses it, ERR_CORRUPT when we do. */
int ddl_execute(sqlite3 *db, const char *sql, struct err *e);

/* Executes the text of object O of S.  A virtual table gets shadow tables with
 * the texts that S has of them, which a rename of the table once changed.  On
 * failure the connection may be left in DDL_LEGACY_ON. */
int ddl_make_object(sqlite3 *db, const struct schema *s,
    const struct schema_object *o, struct err *e);

/* What a list did to the rows. */
struct ddl_effect {
    struct schema *after;         /* the caller's to free */
    struct digest removed, added; /* of tables that are not as before */
    uint64_t rows_removed, rows_added;
};

/* Takes a list off LIST and executes it in DB, of schema BEFORE, inside the
 * caller's transaction, which must be rolled back on failure. */
int ddl_run(sqlite3 *db, const struct schema *before, struct reader *list,
    struct ddl_effect *effect, struct err *e);

#endif

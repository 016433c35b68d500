/*
 * The text of the triggers that note a table's changes.  Internal to capture.
 */
#ifndef SYNC_CAPTURE_SQL_H
#define SYNC_CAPTURE_SQL_H

#include <sqlite3.h>
#include <stdint.h>

#include "base/err.h"
#include "sync/schema.h"

enum { CAPTURE_TRIGGERS = 6 };

/* Names end in these. */
extern const char *const capture_suffixes[CAPTURE_TRIGGERS];

/* Writes the CREATE TRIGGER texts of table T with numeric id ID, NULL for one
 * that is not needed; fresh strings.  *REFUSED is why triggers cannot see
 * everything that happens to this table (static text; no texts then), or
 * NULL. */
int capture_trigger_sql(sqlite3 *db, const struct schema *s,
    const struct table *t, int64_t id, char *sql[CAPTURE_TRIGGERS],
    const char **refused, struct err *e);
/* The journal of keys with that many parts; fresh string. */
char *capture_journal_sql(int key_count);

#endif

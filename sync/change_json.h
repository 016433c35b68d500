/*
 * A changed row for people and scripts, as JSON of bounded size:
 *
 *     {"op": "~", "table": "users", "key": {"id": 17},
 *      "columns": {"home": {"old": "/srv/a", "new": "/srv/b"},
 *                  "password_hash": {"old": {"secret": true},
 *                                    "new": {"secret": true}}}}
 *
 * op is "+" (columns have only "new"), "-" (only "old") or "~" (only the
 * columns that changed).  A value is null, a number, a text, or an object:
 * {"text", "bytes"} for the beginning of a long text, {"blob", "bytes"} in hex,
 * {"real": "Inf"}, or {"secret": true}.  "unnamed": true says that the names of
 * the columns are not known any more; then no value is shown.
 * "more_columns" counts those that were left out.
 */
#ifndef SYNC_CHANGE_JSON_H
#define SYNC_CHANGE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "sync/change.h"
#include "sync/shape.h"

/* What must not be shown.  Each may be asked about any bytes. */
struct change_secrets {
    /* Values of that column. */
    bool (*column)(const void *ctx, const char *table, const char *column);
    /* The value beside a name, in a table of names and values: whether COLUMN
     * holds the value when NAME_COLUMN holds NAME. */
    bool (*named)(const void *ctx, const char *name_column, const char *name,
        size_t len, const char *column);
    /* A text by its looks, whatever its column. */
    bool (*text)(const void *ctx, const char *text, size_t len);
    /* What stands between the quotes of an SQL statement. */
    bool (*statement)(const void *ctx, const char *sql, size_t len);
    const void *ctx;
};

/* OLD and NEW name the columns of the two sides; NULL: not known.  A new
 * reference. */
json_t *change_json(const struct change *c, const struct shape *old,
    const struct shape *new, const struct change_secrets *secrets);
/* The members "table" and "key" alone, of a row that lost its values. */
json_t *change_key_json(const char *table, const uint8_t *key, size_t key_len,
    const struct shape *shape, const struct change_secrets *secrets);

#endif

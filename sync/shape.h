/*
 * The names of a database's tables, key parts and replicated columns: what is
 * needed to show a key or a row tuple to people, also long after the schema
 * moved on.  History keeps one set of shapes per schema hash.
 *
 *     struct shapes s = SHAPES_INIT;
 *     shapes_of_schema(&s, schema);
 *     const struct shape *users = shapes_find(&s, "users");
 *     shapes_release(&s);
 */
#ifndef SYNC_SHAPE_H
#define SYNC_SHAPE_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "sync/schema.h"

/* One table: names in the order of the values of its tuples. */
struct shape {
    char *table;
    char **keys;
    size_t key_count;
    char **columns;
    size_t column_count;
};

struct shapes {
    struct shape *items;
    size_t count;
};

#define SHAPES_INIT \
    {               \
        NULL, 0     \
    }

/* Both add to S, which the caller releases, also on error. */
void shapes_of_schema(struct shapes *s, const struct schema *schema);
/* Reads what shapes_encode wrote; ERR_CORRUPT on anything else. */
int shapes_decode(struct shapes *s, const void *data, size_t len,
    struct err *e);
/* Appends: varint count of tables, each: name, varint count and names of the
 * key's parts, the same of the columns; a name is a varint length and bytes. */
void shapes_encode(const struct shapes *s, struct buf *out);
/* Borrowed; NULL when there is no such table. */
const struct shape *shapes_find(const struct shapes *s, const char *table);
void shapes_release(struct shapes *s);

#endif

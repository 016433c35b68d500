/*
 * A set of changed rows with old and new values: what publish finds, history
 * keeps, diff shows and bundles carry.
 */
#ifndef SYNC_CHANGE_H
#define SYNC_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* One row.  old_row NULL: added; new_row NULL: removed; both: changed, and
 * then old_key and new_key may differ in bytes (a NOCASE key rewritten). */
struct change {
    const char *table;
    uint8_t *old_key;
    size_t old_key_len;
    uint8_t *old_row;
    size_t old_row_len;
    uint8_t *new_key;
    size_t new_key_len;
    uint8_t *new_row;
    size_t new_row_len;
};

struct change_block; /* holds tuples */

struct change_set {
    struct change *items;
    size_t count;
    size_t capacity;
    char **tables; /* names owned by the set */
    size_t table_count;
    size_t bytes; /* of the changes held, about what they take in memory */
    struct change_block *blocks;
};

void change_set_init(struct change_set *s);
void change_set_release(struct change_set *s);
/* The set's own copy of a table name. */
const char *change_set_table(struct change_set *s, const char *name);
/* Appends a copy of the tuples; NULL row pointers as in struct change. */
void change_set_add(struct change_set *s, const char *table,
    const void *old_key, size_t old_key_len, const void *old_row,
    size_t old_row_len, const void *new_key, size_t new_key_len,
    const void *new_row, size_t new_row_len);
/* Forgets all but the first COUNT changes. */
void change_set_truncate(struct change_set *s, size_t count);
/* The form in which history stores a set. */
void change_set_encode(const struct change_set *s, struct buf *out);
int change_set_decode(struct change_set *s, const void *data, size_t len,
    struct err *e);

#endif

/*
 * SQLite values as bytes: the typed encoding that keys, rows, bundles, history
 * and digest share.  Equality of rows is equality of these bytes.
 *
 * A value is one type byte and its content:
 *     0 NULL | 1 INTEGER, 8 bytes two's complement | 2 REAL, 8 bytes IEEE 754
 *     3 TEXT, varint length and bytes (of the UTF-8 form) | 4 BLOB, likewise
 * A tuple (key or row) is its values one after another.
 */
#ifndef SYNC_VALUE_H
#define SYNC_VALUE_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum value_type {
    VALUE_NULL,
    VALUE_INTEGER,
    VALUE_REAL,
    VALUE_TEXT,
    VALUE_BLOB
};

/* One decoded value; DATA is borrowed from what was read. */
struct value {
    enum value_type type;
    uint64_t bits; /* of INTEGER and REAL */
    const uint8_t *data;
    size_t len;
};

/* Reads one value; -1 (and R failed) when malformed. */
int value_read(struct reader *r, struct value *v);
/* Appends column COLUMN of the current row of STMT. */
void value_put_column(struct buf *b, sqlite3_stmt *stmt, int column);
void value_put_integer(struct buf *b, int64_t v);
void value_put_null(struct buf *b);
/* Reads one value and binds it to parameter PARAMETER of STMT; the bytes stay
 * borrowed until the statement is reset.  ERR_CORRUPT on malformed bytes. */
int value_bind(struct reader *r, sqlite3_stmt *stmt, int parameter,
    struct err *e);
/* Steps over COUNT values; -1 when malformed. */
int value_skip(struct reader *r, int count);
/* Shows a tuple for people: "17", "'a', NULL, x'00ff'", cut at SIZE. */
void value_show(const void *tuple, size_t len, char *out, size_t size);

#endif

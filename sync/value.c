/*
 * SQLite values as bytes.  The type is read before the value, because reading
 * a value may convert it.
 */
#include "sync/value.h"

#include <endian.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"

/* Type, and a length as LEB128. */
#define COUNTED_HEAD_MAX 11
#define NUMBER_SIZE 9

static void
put_counted(struct buf *b, enum value_type type, const void *data, int len)
{
    size_t n = len > 0 ? (size_t)len : 0;

    buf_reserve(b, COUNTED_HEAD_MAX + n);
    buf_put_u8(b, (uint8_t)type);
    buf_put_varint(b, n);
    if (n > 0)
        buf_put(b, data, n);
}

/* Digests read every number of a database: at once, not byte by byte. */
static void
put_number(struct buf *b, enum value_type type, uint64_t bits)
{
    uint8_t *to = buf_reserve(b, NUMBER_SIZE);
    uint64_t big_endian = htobe64(bits);

    to[0] = (uint8_t)type;
    memcpy(to + 1, &big_endian, sizeof(big_endian));
    b->len += NUMBER_SIZE;
}

void
value_put_integer(struct buf *b, int64_t v)
{
    put_number(b, VALUE_INTEGER, (uint64_t)v);
}

void
value_put_null(struct buf *b)
{
    buf_put_u8(b, VALUE_NULL);
}

static void
put_real(struct buf *b, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    put_number(b, VALUE_REAL, bits);
}

/* The column is looked up once and then asked as a value, which costs a third
 * of asking the statement thrice.  SQLite allows it where no other thread uses
 * the connection ("Result Values From A Query"): none of ours is shared. */
void
value_put_column(struct buf *b, sqlite3_stmt *stmt, int column)
{
    sqlite3_value *v = sqlite3_column_value(stmt, column);
    const void *data;

    switch (sqlite3_value_type(v)) {
    case SQLITE_INTEGER:
        value_put_integer(b, sqlite3_value_int64(v));
        return;
    case SQLITE_FLOAT:
        put_real(b, sqlite3_value_double(v));
        return;
    case SQLITE_TEXT:
        data = sqlite3_value_text(v);
        put_counted(b, VALUE_TEXT, data, sqlite3_value_bytes(v));
        return;
    case SQLITE_BLOB:
        data = sqlite3_value_blob(v);
        put_counted(b, VALUE_BLOB, data, sqlite3_value_bytes(v));
        return;
    default:
        value_put_null(b);
    }
}

int
value_read(struct reader *r, struct value *v)
{
    uint64_t len;
    uint8_t type = reader_u8(r);

    if (r->failed || type > VALUE_BLOB)
        goto malformed;
    *v = (struct value){ .type = (enum value_type)type };
    if (type == VALUE_INTEGER || type == VALUE_REAL)
        v->bits = reader_u64(r);
    if (type == VALUE_TEXT || type == VALUE_BLOB) {
        len = reader_varint(r);
        if (r->failed || len > INT_MAX || len > reader_left(r))
            goto malformed;
        v->len = (size_t)len;
        v->data = reader_take(r, v->len);
    }
    return r->failed ? -1 : 0;
malformed:
    r->failed = true;
    return -1;
}

static int
bind_value(const struct value *v, sqlite3_stmt *stmt, int parameter)
{
    double real;

    switch (v->type) {
    case VALUE_INTEGER:
        return sqlite3_bind_int64(stmt, parameter, (int64_t)v->bits);
    case VALUE_REAL:
        memcpy(&real, &v->bits, sizeof(real));
        return sqlite3_bind_double(stmt, parameter, real);
    case VALUE_TEXT:
        return sqlite3_bind_text(stmt, parameter,
            v->len == 0 ? "" : (const char *)v->data, (int)v->len,
            SQLITE_STATIC);
    case VALUE_BLOB:
        return sqlite3_bind_blob(stmt, parameter,
            v->len == 0 ? (const void *)"" : v->data, (int)v->len,
            SQLITE_STATIC);
    case VALUE_NULL:
        break;
    }
    return sqlite3_bind_null(stmt, parameter);
}

int
value_bind(struct reader *r, sqlite3_stmt *stmt, int parameter, struct err *e)
{
    struct value v;
    int rc;

    if (value_read(r, &v) != 0)
        return err_set(e, ERR_CORRUPT, "malformed value");
    rc = bind_value(&v, stmt, parameter);
    if (rc != SQLITE_OK)
        return err_set(e, ERR_INTERNAL, "could not bind a value: %s",
            sqlite3_errstr(rc));
    return 0;
}

/* Where the value at P ends; NULL if it is malformed or cut short.  Rows are
 * compared column by column, of which few are ever read; what is not short
 * and plain is left to value_read. */
static const uint8_t *
end_of_short(const uint8_t *p, const uint8_t *end)
{
    size_t left = (size_t)(end - p);
    size_t size;

    if (left == 0 || *p > VALUE_BLOB)
        return NULL;
    if (*p == VALUE_NULL)
        size = 1;
    else if (*p == VALUE_INTEGER || *p == VALUE_REAL)
        size = NUMBER_SIZE;
    else if (left > 1 && p[1] < 0x80)
        size = 2 + (size_t)p[1];
    else if (left > 2 && p[2] > 0 && p[2] < 0x80)
        size = 3 + (size_t)(p[1] & 0x7f) + ((size_t)p[2] << 7);
    else
        return NULL;
    return size <= left ? p + size : NULL;
}

int
value_skip(struct reader *r, int count)
{
    struct value v;

    for (int i = 0; i < count; i++) {
        const uint8_t *end = r->failed ? NULL : end_of_short(r->p, r->end);

        if (end != NULL)
            r->p = end;
        else if (value_read(r, &v) != 0)
            return -1;
    }
    return 0;
}

/* At most this much of a text or blob is shown. */
#define SHOWN_BYTES 200

static void
show_value(const struct value *v, struct buf *out)
{
    char text[SHOWN_BYTES * 4 + 1];
    size_t shown = v->len < SHOWN_BYTES ? v->len : SHOWN_BYTES;
    double real;

    switch (v->type) {
    case VALUE_INTEGER:
        buf_printf(out, "%lld", (long long)v->bits);
        return;
    case VALUE_REAL:
        memcpy(&real, &v->bits, sizeof(real));
        buf_printf(out, "%.17g", real);
        return;
    case VALUE_TEXT:
        escape_text((const char *)v->data, shown, text, sizeof(text));
        buf_printf(out, "'%s'%s", text, shown < v->len ? "..." : "");
        return;
    case VALUE_BLOB:
        buf_printf(out, "x'");
        for (size_t i = 0; i < shown; i++)
            buf_printf(out, "%02x", v->data[i]);
        buf_printf(out, "'%s", shown < v->len ? "..." : "");
        return;
    case VALUE_NULL:
        buf_printf(out, "NULL");
    }
}

void
value_show(const void *tuple, size_t len, char *out, size_t size)
{
    struct reader r = reader_over(tuple, len);
    struct buf text = BUF_INIT;
    struct value v;
    size_t n;

    while (reader_left(&r) > 0 && text.len < size) {
        if (value_read(&r, &v) != 0) {
            buf_printf(&text, "?");
            break;
        }
        if (text.len > 0)
            buf_printf(&text, ", ");
        show_value(&v, &text);
    }
    if (size > 0) {
        n = text.len < size - 1 ? text.len : size - 1;
        if (n > 0)
            memcpy(out, text.data, n);
        out[n] = '\0';
    }
    buf_release(&text);
}

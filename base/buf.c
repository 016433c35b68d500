/*
 * The growing buffer and the bounded reader: the one codec of every binary
 * format.
 */
#include "base/buf.h"

#include <assert.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define BUF_FIRST_CAP 64

/* Where an empty reader and an empty slice point: never NULL, so that no
 * caller does arithmetic on NULL or mistakes "empty" for "failed". */
static const uint8_t empty[1];

void
buf_release(struct buf *b)
{
    free(b->data);
    *b = (struct buf)BUF_INIT;
}

void
buf_clear(struct buf *b)
{
    b->len = 0;
}

uint8_t *
buf_reserve(struct buf *b, size_t extra)
{
    size_t need;

    if (__builtin_add_overflow(b->len, extra, &need) || need > SIZE_MAX / 2)
        abort();
    if (need > b->cap || b->data == NULL) {
        size_t cap = b->cap > 0 ? b->cap : BUF_FIRST_CAP;

        while (cap < need)
            cap *= 2;
        b->data = alloc_resize(b->data, cap, 1);
        b->cap = cap;
    }
    return b->data + b->len;
}

void
buf_put(struct buf *b, const void *data, size_t len)
{
    uint8_t *to = buf_reserve(b, len);

    if (len > 0)
        memcpy(to, data, len);
    b->len += len;
}

static void
store_big_endian(uint8_t *to, uint64_t v, size_t bytes)
{
    for (size_t i = bytes; i-- > 0; v >>= 8)
        to[i] = (uint8_t)v;
}

static void
put_big_endian(struct buf *b, uint64_t v, size_t bytes)
{
    store_big_endian(buf_reserve(b, bytes), v, bytes);
    b->len += bytes;
}

void
buf_put_u8(struct buf *b, uint8_t v)
{
    put_big_endian(b, v, 1);
}

void
buf_put_u16(struct buf *b, uint16_t v)
{
    put_big_endian(b, v, 2);
}

void
buf_put_u32(struct buf *b, uint32_t v)
{
    put_big_endian(b, v, 4);
}

void
buf_put_u64(struct buf *b, uint64_t v)
{
    put_big_endian(b, v, 8);
}

void
buf_put_bytes(struct buf *b, const void *data, size_t len)
{
    assert(len <= UINT32_MAX);
    buf_put_u32(b, (uint32_t)len);
    buf_put(b, data, len);
}

void
buf_put_string(struct buf *b, const char *s)
{
    buf_put_bytes(b, s, strlen(s));
}

void
buf_put_varint(struct buf *b, uint64_t v)
{
    uint8_t *to = buf_reserve(b, 10);
    size_t n = 0;

    while (v >= 0x80) {
        to[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    to[n++] = (uint8_t)v;
    b->len += n;
}

void
buf_set_u32(struct buf *b, size_t offset, uint32_t v)
{
    assert(offset <= b->len && b->len - offset >= 4);
    store_big_endian(b->data + offset, v, 4);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    assert(n >= 0);
    buf_reserve(b, (size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

void
buf_consume(struct buf *b, size_t len)
{
    assert(len <= b->len);
    b->len -= len;
    if (b->len > 0 && len > 0)
        memmove(b->data, b->data + len, b->len);
}

uint8_t *
buf_steal(struct buf *b, size_t *len)
{
    uint8_t *data;

    *buf_reserve(b, 1) = '\0';
    data = b->data;
    if (len != NULL)
        *len = b->len;
    *b = (struct buf)BUF_INIT;
    return data;
}

struct reader
reader_over(const void *data, size_t len)
{
    const uint8_t *p = len > 0 ? data : empty;

    return (struct reader){ .p = p, .end = p + len, .failed = false };
}

size_t
reader_left(const struct reader *r)
{
    return r->failed ? 0 : (size_t)(r->end - r->p);
}

bool
reader_done(const struct reader *r)
{
    return !r->failed && r->p == r->end;
}

const uint8_t *
reader_take(struct reader *r, size_t len)
{
    const uint8_t *at = r->p;

    if (r->failed || len > reader_left(r)) {
        r->failed = true;
        return NULL;
    }
    r->p += len;
    return at;
}

void
reader_copy(struct reader *r, void *out, size_t len)
{
    const uint8_t *p = reader_take(r, len);

    if (len == 0)
        return;
    if (p != NULL)
        memcpy(out, p, len);
    else
        memset(out, 0, len);
}

uint8_t
reader_u8(struct reader *r)
{
    const uint8_t *p = reader_take(r, 1);

    return p != NULL ? *p : 0;
}

uint16_t
reader_u16(struct reader *r)
{
    uint16_t v = 0;

    reader_copy(r, &v, sizeof(v));
    return be16toh(v);
}

uint32_t
reader_u32(struct reader *r)
{
    uint32_t v = 0;

    reader_copy(r, &v, sizeof(v));
    return be32toh(v);
}

uint64_t
reader_u64(struct reader *r)
{
    uint64_t v = 0;

    reader_copy(r, &v, sizeof(v));
    return be64toh(v);
}

uint64_t
reader_varint(struct reader *r)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = reader_u8(r);

        if (r->failed)
            return 0;
        /* The tenth byte has room for one bit; a last byte of zero after
         * others is a longer spelling of the same number.  One number, one
         * spelling: what was signed cannot be written in another way. */
        if ((shift == 63 && byte > 1) || (shift > 0 && byte == 0))
            break;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return v;
    }
    r->failed = true;
    return 0;
}

const uint8_t *
reader_bytes(struct reader *r, size_t max, size_t *len)
{
    size_t n = reader_u32(r);
    const uint8_t *p;

    *len = 0;
    if (n > max)
        r->failed = true;
    p = reader_take(r, n);
    if (p != NULL)
        *len = n;
    return p;
}

char *
reader_string(struct reader *r, size_t max)
{
    size_t len;
    const uint8_t *p = reader_bytes(r, max, &len);

    if (p == NULL)
        return NULL;
    if (memchr(p, '\0', len) != NULL) {
        r->failed = true;
        return NULL;
    }
    return alloc_copy(p, len);
}

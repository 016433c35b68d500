/*
 * Bytes in and out: a growing buffer to write to, and a bounded reader.  All
 * integers are big-endian.  This is the one codec of every binary format.
 *
 *     struct buf b = BUF_INIT;
 *     buf_put_u32(&b, 7);
 *     struct reader r = reader_over(b.data, b.len);
 *     uint32_t seven = reader_u32(&r);
 *     if (!reader_done(&r)) ...   // short, long or malformed
 *     buf_release(&b);
 *
 * A reader never reads past its end: the first short read marks it failed,
 * and every later read returns zero or an empty slice.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
};

#define BUF_INIT   \
    {              \
        NULL, 0, 0 \
    }

void buf_release(struct buf *b); /* frees; the buffer may be used again */
void buf_clear(struct buf *b);   /* length 0, memory kept */
/* Makes room for EXTRA more bytes and returns where they begin. */
uint8_t *buf_reserve(struct buf *b, size_t extra);
void buf_put(struct buf *b, const void *data, size_t len);
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u16(struct buf *b, uint16_t v);
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
/* A u32 length and the bytes. */
void buf_put_bytes(struct buf *b, const void *data, size_t len);
/* A u32 length and the text, without its NUL. */
void buf_put_string(struct buf *b, const char *s);
/* LEB128, 1 to 10 bytes. */
void buf_put_varint(struct buf *b, uint64_t v);
/* Overwrites four bytes at OFFSET, which must exist. */
void buf_set_u32(struct buf *b, size_t offset, uint32_t v);
void buf_printf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Drops the first LEN bytes and moves the rest down. */
void buf_consume(struct buf *b, size_t len);
/* Hands the memory, NUL-terminated (the NUL is not counted), to the caller. */
uint8_t *buf_steal(struct buf *b, size_t *len);

struct reader {
    const uint8_t *p;
    const uint8_t *end;
    bool failed;
};

struct reader reader_over(const void *data, size_t len);
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
/* Only the shortest spelling of a number is accepted. */
uint64_t reader_varint(struct reader *r);
/* Borrows LEN bytes in place; NULL when there are fewer. */
const uint8_t *reader_take(struct reader *r, size_t len);
/* Copies LEN bytes to OUT; zeroes OUT when there are fewer. */
void reader_copy(struct reader *r, void *out, size_t len);
/* Borrows a u32-counted slice of at most MAX bytes; NULL and failed else. */
const uint8_t *reader_bytes(struct reader *r, size_t max, size_t *len);
/* A u32-counted text without NUL inside, of at most MAX bytes, copied to a
 * fresh string; NULL and failed else.  The caller frees. */
char *reader_string(struct reader *r, size_t max);
size_t reader_left(const struct reader *r);
/* True when everything was read and nothing failed. */
bool reader_done(const struct reader *r);

#endif

/*
 * Sums of row hashes.
 */
#include "sync/digest.h"

#include <endian.h>
#include <string.h>

#include "base/stop.h"
#include "sync/row_scan.h"

void
digest_zero(struct digest *d)
{
    memset(d, 0, sizeof(*d));
}

/* The sum is a big-endian number: its words from the last to the first. */
void
digest_add_hash(struct digest *d, const uint8_t hash[HASH_SIZE])
{
    uint64_t a, b, carry = 0;

    for (int i = HASH_SIZE - 8; i >= 0; i -= 8) {
        memcpy(&a, d->sum + i, 8);
        memcpy(&b, hash + i, 8);
        a = be64toh(a);
        b = be64toh(b);
        carry = __builtin_add_overflow(a, carry, &a);
        carry += __builtin_add_overflow(a, b, &a);
        a = htobe64(a);
        memcpy(d->sum + i, &a, 8);
    }
}

void
digest_sub_hash(struct digest *d, const uint8_t hash[HASH_SIZE])
{
    int borrow = 0;

    for (int i = HASH_SIZE - 1; i >= 0; i--) {
        int v = (int)d->sum[i] - hash[i] - borrow;

        borrow = v < 0;
        d->sum[i] = (uint8_t)v;
    }
}

bool
digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->sum, b->sum, HASH_SIZE) == 0;
}

/* LEB128, as buf_put_varint writes it. */
static size_t
varint(uint64_t v, uint8_t out[10])
{
    size_t n = 0;

    do {
        out[n++] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        v >>= 7;
    } while (v > 0);
    return n;
}

void
digest_row_hash(struct hasher *h, const char *table, const void *key,
    size_t key_len, const void *row, size_t row_len, uint8_t out[HASH_SIZE])
{
    size_t name_len = strlen(table);
    uint8_t prefix[10];

    hasher_update(h, prefix, varint(name_len, prefix));
    hasher_update(h, table, name_len);
    if (key_len > 0)
        hasher_update(h, key, key_len);
    hasher_update(h, row, row_len);
    hasher_finish(h, out);
}

/* What digest_row_hash takes piece by piece lies here in one, because it is
 * done for every row there is. */
static int
scan_rows(struct row_scan *s, struct digest *d, uint64_t *rows, struct err *e)
{
    const char *name = s->t->name;
    struct hasher *h = hasher_new();
    struct buf row = BUF_INIT;
    enum row_scan_step step = ROW_SCAN_END;
    size_t head;
    int r;

    buf_put_varint(&row, strlen(name));
    buf_put(&row, name, strlen(name));
    head = row.len;
    /* Nothing is lost by leaving a scan, also one that holds a lock. */
    while ((r = stop_check(e)) == 0 &&
           (step = row_scan_next(s, e)) > ROW_SCAN_END) {
        if (step == ROW_SCAN_ROW) {
            row.len = head;
            table_read_row(s->t, s->stmt, &row, &row);
            hasher_update(h, row.data, row.len);
            hasher_finish(h, s->hash);
        }
        digest_add_hash(d, s->hash);
        (*rows)++;
    }
    hasher_free(h);
    buf_release(&row);
    return r == 0 && step == ROW_SCAN_END ? 0 : -1;
}

int
digest_scan_table(sqlite3 *db, const struct table *t, struct digest *d,
    uint64_t *rows, struct err *e)
{
    struct row_scan s;
    int r = row_scan_open(&s, db, t, e);

    if (r == 0)
        r = scan_rows(&s, d, rows, e);
    if (r != 0)
        err_wrap(e, "table \"%s\"", t->name);
    row_scan_close(&s);
    return r;
}

int
digest_scan(sqlite3 *db, const struct schema *s, struct digest *d,
    uint64_t *rows, struct err *e)
{
    struct buf specials = BUF_INIT;
    int r = -1;

    digest_zero(d);
    *rows = 0;
    for (size_t i = 0; i < s->table_count; i++)
        if (!schema_is_virtual(s->tables[i].sql) &&
            digest_scan_table(db, &s->tables[i], d, rows, e) != 0)
            goto out;
    if (specials_read(db, &s->selection, &specials, e) != 0 ||
        specials_digest(specials.data, specials.len, d, e) != 0)
        goto out;
    r = 0;
out:
    buf_release(&specials);
    return r;
}

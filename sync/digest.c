/*
 * Sums of row hashes.
 */
#include "sync/digest.h"

#include <stdlib.h>
#include <string.h>

#include "sync/open.h"

void
digest_zero(struct digest *d)
{
    memset(d, 0, sizeof(*d));
}

void
digest_add_hash(struct digest *d, const uint8_t hash[HASH_SIZE])
{
    unsigned carry = 0;

    for (int i = HASH_SIZE - 1; i >= 0; i--) {
        carry += (unsigned)d->sum[i] + hash[i];
        d->sum[i] = (uint8_t)carry;
        carry >>= 8;
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

int
digest_scan_table(sqlite3 *db, const struct table *t, struct digest *d,
    uint64_t *rows, struct err *e)
{
    struct hasher *h = NULL;
    struct buf key = BUF_INIT, row = BUF_INIT;
    sqlite3_stmt *stmt = NULL;
    char *sql = table_select_all_sql(t);
    uint8_t hash[HASH_SIZE];
    int rc, r = -1;

    if (database_prepare(db, sql, &stmt, e) != 0)
        goto out;
    h = hasher_new();
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        buf_clear(&key);
        buf_clear(&row);
        table_read_row(t, stmt, &key, &row);
        digest_row_hash(h, t->name, key.data, key.len, row.data, row.len, hash);
        digest_add_hash(d, hash);
        (*rows)++;
    }
    if (rc != SQLITE_DONE) {
        database_error(db, e, "could not read all rows");
        goto out;
    }
    r = 0;
out:
    if (r != 0)
        err_wrap(e, "table \"%s\"", t->name);
    sqlite3_finalize(stmt);
    hasher_free(h);
    buf_release(&key);
    buf_release(&row);
    free(sql);
    return r;
}

/* A virtual table has no rows of its own: its shadow tables hold them. */
static bool
has_rows(const struct table *t)
{
    return sqlite3_strnicmp(t->sql, "CREATE VIRTUAL", 14) != 0;
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
        if (has_rows(&s->tables[i]) &&
            digest_scan_table(db, &s->tables[i], d, rows, e) != 0)
            goto out;
    if (specials_read(db, &specials, e) != 0 ||
        specials_digest(specials.data, specials.len, d, e) != 0)
        goto out;
    r = 0;
out:
    buf_release(&specials);
    return r;
}

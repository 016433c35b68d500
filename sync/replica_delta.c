/*
 * Rows that travel as what changed in them (op 3) made whole again from the
 * rows that are here: one at a time as they are put, or all of them before
 * anything is written, where rows are removed before they are put.  A wrong row
 * here shows in the digest afterwards.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/replica_internal.h"
#include "sync/value.h"

#define TABLE_NAME_MAX 4096

enum { OP_REMOVE = 1, OP_PUT = 2, OP_CHANGE = 3 };

/* One table on its way from the bundle's form to whole rows. */
struct expansion {
    struct replica *r;
    struct row_table *rt;
    const struct table *t;
    struct buf key, row; /* as they are here */
    struct buf *out;
    struct err *e;
};

static int
malformed(struct expansion *x)
{
    return err_set(x->e, ERR_CORRUPT, "malformed changes");
}

/* The row that KEY has here. */
static int
read_row(struct expansion *x, const uint8_t *key, size_t key_len)
{
    sqlite3_stmt *stmt = row_table_select(x->rt, x->r->db, x->e);
    struct reader tuple = reader_over(key, key_len);
    int r = 0;

    if (stmt == NULL)
        return -1;
    for (int i = 0; r == 0 && i < x->t->key_count; i++)
        r = value_bind(&tuple, stmt, i + 1, x->e);
    buf_clear(&x->key);
    buf_clear(&x->row);
    if (r == 0)
        r = rows_step(x->r, x->t, stmt, x->e);
    if (r == 1)
        table_read_row(x->t, stmt, &x->key, &x->row);
    if (r == 0)
        r = err_set(x->e, ERR_DIGEST,
            "a row of table \"%s\" that changed is not here", x->t->name);
    sqlite3_reset(stmt);
    return r < 0 ? -1 : 0;
}

int
row_change_read(struct reader *body, const struct table *t, uint64_t *columns,
    const uint8_t **values, size_t *len)
{
    *columns = reader_varint(body);
    *values = body->p;
    if (body->failed || *columns == 0 || t->column_count > ROW_COLUMNS_MAX ||
        *columns >> t->column_count != 0 ||
        value_skip(body, __builtin_popcountll(*columns)) != 0)
        return -1;
    *len = (size_t)(body->p - *values);
    return 0;
}

void
row_change_fill(const struct table *t, uint64_t columns, const uint8_t *values,
    size_t len, const struct buf *here, struct buf *out)
{
    struct reader old = reader_over(here->data, here->len);
    struct reader given = reader_over(values, len);

    for (int i = 0; i < t->column_count; i++) {
        const uint8_t *kept = old.p, *new = given.p;

        value_skip(&old, 1);
        if ((columns >> i & 1) == 0) {
            buf_put(out, kept, (size_t)(old.p - kept));
            continue;
        }
        value_skip(&given, 1);
        buf_put(out, new, (size_t)(given.p - new));
    }
}

/* Puts the row here with the values from BODY in the columns named. */
static int
expand_change(struct expansion *x, struct reader *body, const uint8_t *key,
    size_t key_len)
{
    const uint8_t *values;
    uint64_t columns;
    size_t len;

    if (row_change_read(body, x->t, &columns, &values, &len) != 0)
        return malformed(x);
    if (read_row(x, key, key_len) != 0)
        return -1;
    buf_put_u8(x->out, OP_PUT);
    buf_put(x->out, key, key_len);
    row_change_fill(x->t, columns, values, len, &x->row, x->out);
    return 0;
}

static int
expand_entry(struct expansion *x, struct reader *body)
{
    const uint8_t *begin = body->p;
    uint8_t op = reader_u8(body);
    const uint8_t *key = body->p;

    if (body->failed || op < OP_REMOVE || op > OP_CHANGE ||
        value_skip(body, x->t->key_count) != 0)
        return malformed(x);
    if (op == OP_CHANGE)
        return expand_change(x, body, key, (size_t)(body->p - key));
    if (op == OP_PUT && value_skip(body, x->t->column_count) != 0)
        return malformed(x);
    buf_put(x->out, begin, (size_t)(body->p - begin));
    return 0;
}

static int
expand_table(struct expansion *x, struct reader *body)
{
    const uint8_t *begin = body->p;
    uint64_t name_len = reader_varint(body);
    const uint8_t *name =
        name_len < TABLE_NAME_MAX ? reader_take(body, (size_t)name_len) : NULL;
    uint64_t count = reader_varint(body);
    char *text;

    if (name == NULL || body->failed)
        return malformed(x);
    text = alloc_copy(name, (size_t)name_len);
    x->rt = row_tables_find(x->r->tables, x->r->table_count, text);
    if (x->rt == NULL)
        err_set(x->e, ERR_SCHEMA, "there is no table \"%s\" here", text);
    free(text);
    if (x->rt == NULL)
        return -1;
    x->t = row_table_get(x->rt);
    buf_put(x->out, begin, (size_t)(body->p - begin));
    for (uint64_t i = 0; i < count; i++) {
        if (expand_entry(x, body) != 0)
            return -1;
    }
    return 0;
}

int
rows_expand(struct replica *r, struct reader body, struct buf *out,
    struct err *e)
{
    struct expansion x = { .r = r, .out = out, .e = e };
    uint64_t tables = reader_varint(&body);
    int result = 0;

    buf_put_varint(out, tables);
    for (uint64_t i = 0; result == 0 && i < tables; i++)
        result = expand_table(&x, &body);
    if (result == 0 && !reader_done(&body))
        result = malformed(&x);
    buf_release(&x.key);
    buf_release(&x.row);
    return result;
}

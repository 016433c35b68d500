/*
 * The rows of a bundle put and removed, inside the caller's transaction, and
 * the digest kept with every one of them from the rows as they really are: the
 * old row as read from the file, the new row as read back.
 *
 * Removals come first, then each put is an UPDATE of the columns that differ,
 * or an INSERT.  Where that trips over a UNIQUE value that moves between rows,
 * the caller rolls back and tries again with clear_first: then the old rows of
 * all puts are removed before any is inserted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/large_row.h"
#include "sync/open.h"
#include "sync/replica_internal.h"
#include "sync/value.h"

enum entry_op { ENTRY_REMOVE = 1, ENTRY_PUT = 2, ENTRY_CHANGE = 3 };

struct entry {
    enum entry_op op;
    const uint8_t *key;
    size_t key_len;
    const uint8_t *row; /* puts: the row; changes: the values of COLUMNS */
    size_t row_len;
    uint64_t columns;
};

/* A row as it is in the file. */
struct live_row {
    bool there;
    struct buf key;
    struct buf row;
};

/* Scratch of one walk over the body. */
struct walk {
    struct row_work *w;
    struct row_table *rt;
    const struct table *t;
    struct live_row before;
    struct live_row after;
    struct buf whole; /* the row that a change makes */
    struct err *e;
};

static int
read_tuple(struct reader *r, int count, const uint8_t **data, size_t *len)
{
    *data = r->p;
    if (value_skip(r, count) != 0)
        return -1;
    *len = (size_t)(r->p - *data);
    return 0;
}

static int
read_entry(struct reader *r, const struct table *t, struct entry *entry,
    struct err *e)
{
    uint8_t op = reader_u8(r);

    memset(entry, 0, sizeof(*entry));
    entry->op = (enum entry_op)op;
    if (r->failed || op < ENTRY_REMOVE || op > ENTRY_CHANGE ||
        read_tuple(r, t->key_count, &entry->key, &entry->key_len) != 0)
        goto malformed;
    if (op == ENTRY_CHANGE && row_change_read(r, t, &entry->columns,
                                  &entry->row, &entry->row_len) != 0)
        goto malformed;
    if (op == ENTRY_PUT &&
        read_tuple(r, t->column_count, &entry->row, &entry->row_len) != 0)
        goto malformed;
    return 0;
malformed:
    return err_set(e, ERR_CORRUPT, "malformed change of table \"%s\"", t->name);
}

static int
bind_tuple(sqlite3_stmt *stmt, int first, int count, const uint8_t *data,
    size_t len, struct err *e)
{
    struct reader r = reader_over(data, len);

    for (int i = 0; i < count; i++)
        if (value_bind(&r, stmt, first + i, e) != 0)
            return -1;
    return 0;
}

/* Binds the columns from ROW that STMT has parameters for. */
static int
bind_columns(sqlite3_stmt *stmt, const struct table *t, uint64_t columns,
    const uint8_t *row, size_t row_len, struct err *e)
{
    struct reader r = reader_over(row, row_len);

    for (int i = 0; i < t->column_count; i++) {
        if (columns != ROW_ALL_COLUMNS && (columns >> i & 1) == 0) {
            value_skip(&r, 1);
            continue;
        }
        if (value_bind(&r, stmt, t->key_count + i + 1, e) != 0)
            return -1;
    }
    return 0;
}

int
rows_step(struct replica *r, const struct table *t, sqlite3_stmt *stmt,
    struct err *e)
{
    int rc = row_step_key(t, stmt, REPLICA_ROW_MAX);

    if (rc == SQLITE_ROW || rc == SQLITE_DONE)
        return rc == SQLITE_ROW;
    if (rc != SQLITE_TOOBIG)
        return database_error(r->db, e, "could not read a row");
    r->needs_overwrite = true;
    snprintf(r->reason, sizeof(r->reason),
        "a row of table \"%.100s\" is too large to be changed alone", t->name);
    return replica_refuse_drift(r, e);
}

static int
read_live(struct walk *k, const uint8_t *key, size_t key_len,
    struct live_row *live)
{
    sqlite3 *db = k->w->r->db;
    sqlite3_stmt *stmt = row_table_select(k->rt, db, k->e);
    int found;

    live->there = false;
    buf_clear(&live->key);
    buf_clear(&live->row);
    if (stmt == NULL ||
        bind_tuple(stmt, 1, k->t->key_count, key, key_len, k->e) != 0)
        return -1;
    found = rows_step(k->w->r, k->t, stmt, k->e);
    live->there = found == 1;
    if (live->there)
        table_read_row(k->t, stmt, &live->key, &live->row);
    sqlite3_reset(stmt);
    return found < 0 ? -1 : 0;
}

static void
count_row(struct walk *k, const struct live_row *live, bool add)
{
    uint8_t hash[HASH_SIZE];
    struct row_work *w = k->w;

    digest_row_hash(w->r->hasher, k->t->name, live->key.data, live->key.len,
        live->row.data, live->row.len, hash);
    if (add) {
        digest_add_hash(&w->digest, hash);
        w->rows++;
    } else {
        digest_sub_hash(&w->digest, hash);
        w->rows--;
    }
}

static int
step_write(struct walk *k, sqlite3_stmt *stmt)
{
    int rc = sqlite3_step(stmt);
    int r = 0;

    if (rc != SQLITE_DONE) {
        if ((rc & 0xff) == SQLITE_CONSTRAINT)
            k->w->collided = true;
        r = database_error(k->w->r->db, k->e, "could not write a row");
        if ((rc & 0xff) == SQLITE_CONSTRAINT)
            k->e->code = ERR_DIGEST;
    }
    sqlite3_reset(stmt);
    return r;
}

/* MAY_RETURN: the row may be put back later in this body. */
static int
remove_live(struct walk *k, const struct live_row *live, bool may_return)
{
    sqlite3_stmt *stmt = row_table_remove(k->rt, k->w->r->db, k->e);

    if (stmt == NULL ||
        (may_return &&
            kept_save(k->w, k->t, live->key.data, live->key.len, k->e) != 0) ||
        bind_tuple(stmt, 1, k->t->key_count, live->key.data, live->key.len,
            k->e) != 0 ||
        step_write(k, stmt) != 0)
        return -1;
    count_row(k, live, false);
    return 0;
}

/* A bit for each column in which two rows differ. */
static uint64_t
columns_that_differ(const struct table *t, const struct buf *old,
    const uint8_t *row, size_t row_len)
{
    struct reader a = reader_over(old->data, old->len);
    struct reader b = reader_over(row, row_len);
    uint64_t columns = 0;

    if (t->column_count > ROW_COLUMNS_MAX)
        return ROW_ALL_COLUMNS;
    for (int i = 0; i < t->column_count; i++) {
        const uint8_t *x = a.p, *y = b.p;

        value_skip(&a, 1);
        value_skip(&b, 1);
        if (a.p - x != b.p - y || memcmp(x, y, (size_t)(a.p - x)) != 0)
            columns |= (uint64_t)1 << i;
    }
    return columns;
}

static int
update_row(struct walk *k, const struct entry *n)
{
    uint64_t columns =
        columns_that_differ(k->t, &k->before.row, n->row, n->row_len);
    sqlite3_stmt *stmt;

    if (columns == 0)
        return 0;
    stmt = row_table_update(k->rt, k->w->r->db, columns, k->e);
    if (stmt == NULL ||
        bind_tuple(stmt, 1, k->t->key_count, n->key, n->key_len, k->e) != 0 ||
        bind_columns(stmt, k->t, columns, n->row, n->row_len, k->e) != 0)
        return -1;
    return step_write(k, stmt);
}

/* Once the old rows of all puts are gone, only a row that is protected on this
 * server can be in the way of a new one: it stays. */
static int
refuse_protected(struct walk *k, const struct entry *n)
{
    char key[128];

    if (!k->w->collided || !k->w->clear_first || k->t->filter == NULL)
        return -1;
    value_show(n->key, n->key_len, key, sizeof(key));
    err_set(k->e, ERR_HELD,
        "a protected row of this server is in the way of key %s", key);
    err_hint(k->e,
        "Give one of the two rows another key or UNIQUE value, then order an "
        "overwrite of this server.");
    return -1;
}

static int
insert_row(struct walk *k, const struct entry *n)
{
    sqlite3_stmt *stmt = row_table_insert(k->rt, k->w->r->db, k->e);

    if (k->t->autoincrement)
        k->w->sequence_moved = true;
    if (stmt == NULL)
        return -1;
    if (!k->t->without_rowid && !k->t->rowid_is_column &&
        bind_tuple(stmt, 1, 1, n->key, n->key_len, k->e) != 0)
        return -1;
    if (bind_columns(stmt, k->t, ROW_ALL_COLUMNS, n->row, n->row_len, k->e) !=
        0)
        return -1;
    if (step_write(k, stmt) != 0)
        return refuse_protected(k, n);
    return kept_restore(k->w, k->t, n->key, n->key_len, k->e);
}

static bool
bytes_are(const struct buf *b, const uint8_t *data, size_t len)
{
    return b->len == len && memcmp(b->data, data, len) == 0;
}

static void
tell_change(struct walk *k, const struct entry *n)
{
    struct row_change change = {
        .table = k->t->name,
        .key = n->key,
        .key_len = n->key_len,
        .wanted = n->row,
        .wanted_len = n->row_len,
    };

    if (k->w->on_change == NULL)
        return;
    if (k->before.there) {
        change.found = k->before.row.data;
        change.found_len = k->before.row.len;
    }
    k->w->on_change(k->w->on_change_ctx, &change);
}

/* Puts N, the row that is there having been read. */
static int
put_over(struct walk *k, const struct entry *n)
{
    if (k->before.there && bytes_are(&k->before.key, n->key, n->key_len) &&
        bytes_are(&k->before.row, n->row, n->row_len))
        return 0;
    if (!k->w->clear_first)
        tell_change(k, n);
    if ((k->before.there ? update_row(k, n) : insert_row(k, n)) != 0)
        return -1;
    if (k->before.there)
        count_row(k, &k->before, false);
    if (read_live(k, n->key, n->key_len, &k->after) != 0)
        return -1;
    if (!k->after.there)
        return err_set(k->e, ERR_DIGEST,
            "a row of table \"%s\" is not there after it was written",
            k->t->name);
    count_row(k, &k->after, true);
    return 0;
}

static int
put_row(struct walk *k, const struct entry *n)
{
    struct entry whole = *n;

    if (read_live(k, n->key, n->key_len, &k->before) != 0)
        return -1;
    if (n->op == ENTRY_PUT)
        return put_over(k, n);
    if (!k->before.there)
        return err_set(k->e, ERR_DIGEST,
            "a row of table \"%s\" that changed is not here", k->t->name);
    buf_clear(&k->whole);
    row_change_fill(k->t, n->columns, n->row, n->row_len, &k->before.row,
        &k->whole);
    whole.row = k->whole.data;
    whole.row_len = k->whole.len;
    return put_over(k, &whole);
}

static int
remove_row(struct walk *k, const struct entry *n)
{
    if (read_live(k, n->key, n->key_len, &k->before) != 0)
        return -1;
    if (!k->before.there)
        return 0;
    tell_change(k, n);
    /* As another spelling of the same key. */
    return remove_live(k, &k->before, k->t->without_rowid);
}

/* Removes the old row of a put that changes it. */
static int
clear_row(struct walk *k, const struct entry *n)
{
    if (read_live(k, n->key, n->key_len, &k->before) != 0)
        return -1;
    if (k->before.there && bytes_are(&k->before.key, n->key, n->key_len) &&
        bytes_are(&k->before.row, n->row, n->row_len))
        return 0;
    tell_change(k, n);
    return k->before.there ? remove_live(k, &k->before, true) : 0;
}

static int
walk_table(struct walk *k, struct reader *body,
    int (*on_remove)(struct walk *, const struct entry *),
    int (*on_put)(struct walk *, const struct entry *))
{
    uint64_t name_len = reader_varint(body);
    const uint8_t *name =
        name_len < 4096 ? reader_take(body, (size_t)name_len) : NULL;
    uint64_t count = reader_varint(body);
    char *text;
    struct entry entry;

    if (name == NULL || body->failed)
        return err_set(k->e, ERR_CORRUPT, "malformed changes");
    text = alloc_copy(name, (size_t)name_len);
    k->rt = row_tables_find(k->w->r->tables, k->w->r->table_count, text);
    if (k->rt == NULL)
        err_set(k->e, ERR_SCHEMA, "there is no table \"%s\" here", text);
    free(text);
    if (k->rt == NULL)
        return -1;
    k->t = row_table_get(k->rt);
    for (uint64_t i = 0; i < count; i++) {
        int (*act)(struct walk *, const struct entry *);

        if (read_entry(body, k->t, &entry, k->e) != 0)
            return -1;
        act = entry.op == ENTRY_REMOVE ? on_remove : on_put;
        if (act != NULL && act(k, &entry) != 0)
            return err_wrap(k->e, "table \"%s\"", k->t->name);
    }
    return 0;
}

static int
walk_body(struct row_work *w, struct reader body,
    int (*on_remove)(struct walk *, const struct entry *),
    int (*on_put)(struct walk *, const struct entry *), struct err *e)
{
    struct walk k = { .w = w, .e = e };
    uint64_t tables = reader_varint(&body);
    int r = 0;

    for (uint64_t i = 0; r == 0 && i < tables; i++)
        r = walk_table(&k, &body, on_remove, on_put);
    if (r == 0 && !reader_done(&body))
        r = err_set(e, ERR_CORRUPT, "malformed changes");
    buf_release(&k.before.key);
    buf_release(&k.before.row);
    buf_release(&k.after.key);
    buf_release(&k.after.row);
    buf_release(&k.whole);
    return r;
}

int
rows_apply(struct row_work *w, struct reader body, struct err *e)
{
    struct buf whole = BUF_INIT;
    int r = -1;

    if (w->clear_first) {
        if (rows_expand(w->r, body, &whole, e) != 0)
            goto out;
        body = reader_over(whole.data, whole.len);
    }
    /* The first walk also proves the whole body well-formed. */
    if (walk_body(w, body, remove_row, w->clear_first ? clear_row : NULL, e) ==
        0)
        r = walk_body(w, body, NULL, put_row, e);
out:
    kept_forget(w);
    buf_release(&whole);
    return r;
}

/* W's digest with the specials in NOW instead of those in BEFORE. */
static int
exchange_specials(struct row_work *w, const struct buf *before,
    const struct buf *now, struct err *e)
{
    struct digest old;

    digest_zero(&old);
    if (specials_digest(before->data, before->len, &old, e) != 0 ||
        specials_digest(now->data, now->len, &w->digest, e) != 0)
        return -1;
    digest_sub_hash(&w->digest, old.sum);
    buf_clear(&w->specials_now);
    buf_put(&w->specials_now, now->data, now->len);
    return 0;
}

int
rows_apply_specials(struct row_work *w, struct err *e)
{
    struct replica *r = w->r;
    struct buf now = BUF_INIT;
    /* Inserting moves sqlite_sequence; what the primary says stands, and where
     * it says nothing, what was there before. */
    const uint8_t *wanted = r->specials.data;
    size_t wanted_len = r->specials.len;
    int result = -1;

    if (!w->specials_present && !w->sequence_moved)
        return 0;
    if (w->specials_present) {
        wanted = w->specials;
        wanted_len = w->specials_len;
    }
    if (specials_read(r->db, &r->schema->selection, &now, e) != 0)
        goto out;
    if (!bytes_are(&now, wanted, wanted_len)) {
        buf_clear(&now);
        if (specials_write(r->db, &r->schema->selection, wanted, wanted_len,
                e) != 0 ||
            specials_read(r->db, &r->schema->selection, &now, e) != 0)
            goto out;
    }
    result = exchange_specials(w, &r->specials, &now, e);
out:
    buf_release(&now);
    return result;
}

int
body_read_specials(struct row_work *w, struct reader *body, struct err *e)
{
    uint8_t present = reader_u8(body);
    uint64_t len = reader_varint(body);

    if (body->failed || present > 1 || len > reader_left(body))
        return err_set(e, ERR_CORRUPT, "malformed specials");
    w->specials_present = present == 1;
    w->specials_len = (size_t)len;
    w->specials = reader_take(body, (size_t)len);
    return 0;
}

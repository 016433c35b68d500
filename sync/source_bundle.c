/*
 * Bundles: history says which rows changed since a revision, and what they are
 * at its end.  A revision that changed the schema is a bundle of its own: its
 * DDL works on the rows as they were just before it.
 */
#include "sync/source_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/open.h"
#include "sync/value.h"

enum { OP_REMOVE = 1, OP_PUT = 2, OP_CHANGE = 3 };

#define CHANGE_COLUMNS_MAX 63 /* one bit each in a varint */

void
chain_release(struct chain *c)
{
    for (size_t i = 0; i < c->set_count; i++)
        change_set_release(&c->sets[i]);
    free(c->sets);
    free(c->entries);
    buf_release(&c->ddl);
    buf_release(&c->specials_new);
}

void
chain_add(struct chain *c, const char *table, const uint8_t *key, size_t len,
    bool existed, const uint8_t *old_row, size_t old_row_len)
{
    if (c->entry_count == c->entry_capacity) {
        c->entry_capacity = c->entry_capacity == 0 ? 64 : c->entry_capacity * 2;
        c->entries =
            alloc_resize(c->entries, c->entry_capacity, sizeof(*c->entries));
    }
    c->entries[c->entry_count] = (struct chain_entry){
        .table = table,
        .key = key,
        .key_len = len,
        .order = c->entry_count,
        .existed = existed,
        .old_row = old_row,
        .old_row_len = old_row_len,
    };
    c->entry_count++;
}

static bool
same_key(const struct change *x)
{
    return x->old_key != NULL && x->new_key != NULL &&
           x->old_key_len == x->new_key_len &&
           memcmp(x->old_key, x->new_key, x->old_key_len) == 0;
}

static void
know_row(struct chain *c, const uint8_t *row, size_t len)
{
    struct chain_entry *entry = &c->entries[c->entry_count - 1];

    entry->known = true;
    entry->new_row = row;
    entry->new_row_len = len;
}

/* What goes comes before what is put, as it is applied. */
static void
add_changes(struct chain *c, const struct change_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct change *x = &set->items[i];

        if (x->old_key == NULL)
            continue;
        chain_add(c, x->table, x->old_key, x->old_key_len, true, x->old_row,
            x->old_row_len);
        know_row(c, same_key(x) ? x->new_row : NULL, x->new_row_len);
    }
    for (size_t i = 0; i < set->count; i++) {
        const struct change *x = &set->items[i];

        if (x->new_key == NULL || same_key(x))
            continue;
        chain_add(c, x->table, x->new_key, x->new_key_len, false, NULL, 0);
        know_row(c, x->new_row, x->new_row_len);
    }
}

bool
source_newest_leads_from(const struct source *s, uint64_t from)
{
    return s->newest.revision != 0 && s->newest.revision == s->state.revision &&
           from + 1 == s->newest.revision;
}

void
source_newest_release(struct source *s)
{
    change_set_release(&s->newest.set);
    s->newest.revision = 0;
}

/* The chain of the one revision whose changes are in memory. */
static void
chain_take_newest(struct source *s, struct chain *c)
{
    const struct newest_changes *newest = &s->newest;

    add_changes(c, &newest->set);
    chain_sort(c);
    c->specials = newest->specials;
    if (c->specials)
        buf_put(&c->specials_new, s->specials.data, s->specials.len);
    c->digest_before = newest->digest_before;
    memcpy(c->schema_before, s->state.schema_hash, HASH_SIZE);
}

static int
compare_entries(const void *a, const void *b)
{
    const struct chain_entry *x = a, *y = b;
    size_t shorter = x->key_len < y->key_len ? x->key_len : y->key_len;
    int order = strcmp(x->table, y->table);

    if (order == 0)
        order = memcmp(x->key, y->key, shorter);
    if (order == 0 && x->key_len != y->key_len)
        order = x->key_len < y->key_len ? -1 : 1;
    if (order == 0)
        order = x->order < y->order ? -1 : 1;
    return order;
}

/* One entry per key: whether the key existed at the start as the earliest says,
 * the row as the latest does. */
void
chain_sort(struct chain *c)
{
    size_t kept = 0;

    if (c->entry_count == 0)
        return;
    qsort(c->entries, c->entry_count, sizeof(*c->entries), compare_entries);
    for (size_t i = 1; i < c->entry_count; i++) {
        struct chain_entry *a = &c->entries[kept], *b = &c->entries[i];

        if (strcmp(a->table, b->table) != 0 || a->key_len != b->key_len ||
            memcmp(a->key, b->key, a->key_len) != 0) {
            c->entries[++kept] = *b;
            continue;
        }
        a->known = b->known;
        a->new_row = b->new_row;
        a->new_row_len = b->new_row_len;
    }
    c->entry_count = kept + 1;
}

static int
read_blob(sqlite3_stmt *stmt, int column, void *out, int size, struct err *e)
{
    const void *blob = sqlite3_column_blob(stmt, column);

    if (blob == NULL || sqlite3_column_bytes(stmt, column) != size)
        return err_set(e, ERR_CORRUPT, "damaged history");
    memcpy(out, blob, (size_t)size);
    return 0;
}

/* Columns: ddl, specials_new, changes, digest_before, schema_before,
 * digest_after, schema_after, made_ms, total. */
static int
add_revision(struct chain *c, sqlite3_stmt *stmt, struct err *e)
{
    struct change_set *set;
    struct reader ddl = reader_over(sqlite3_column_blob(stmt, 0),
        (size_t)sqlite3_column_bytes(stmt, 0));

    if ((c->set_count == 0 &&
            (read_blob(stmt, 3, c->digest_before.sum, HASH_SIZE, e) != 0 ||
                read_blob(stmt, 4, c->schema_before, HASH_SIZE, e) != 0)) ||
        read_blob(stmt, 5, c->digest_after.sum, HASH_SIZE, e) != 0 ||
        read_blob(stmt, 6, c->schema_after, HASH_SIZE, e) != 0)
        return -1;
    if (reader_left(&ddl) > 0) {
        c->ddl_count += reader_varint(&ddl);
        buf_put(&c->ddl, ddl.p, reader_left(&ddl));
    }
    if (sqlite3_column_type(stmt, 1) != SQLITE_NULL) {
        c->specials = true;
        buf_clear(&c->specials_new);
        buf_put(&c->specials_new, sqlite3_column_blob(stmt, 1),
            (size_t)sqlite3_column_bytes(stmt, 1));
    }
    c->made_ms = sqlite3_column_int64(stmt, 7);
    c->total_known = sqlite3_column_type(stmt, 8) != SQLITE_NULL;
    c->total = (uint64_t)sqlite3_column_int64(stmt, 8);
    c->sets = alloc_resize(c->sets, c->set_count + 1, sizeof(*c->sets));
    set = &c->sets[c->set_count];
    change_set_init(set);
    if (change_set_decode(set, sqlite3_column_blob(stmt, 2),
            (size_t)sqlite3_column_bytes(stmt, 2), e) != 0)
        return -1;
    c->set_count++;
    return 0;
}

int
chain_read(struct source *s, uint64_t from, uint64_t to, struct chain *c,
    struct err *e)
{
    sqlite3_stmt *stmt;
    size_t bytes = 0;
    int rc, r = 0;

    if (database_prepare(s->history,
            "SELECT ddl,specials_new,changes,digest_before,schema_before,"
            "digest_after,schema_after,made_ms,total FROM history"
            " WHERE revision>?1 AND revision<=?2 AND barrier=0"
            " ORDER BY revision",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_int64(stmt, 1, (int64_t)from);
    sqlite3_bind_int64(stmt, 2, (int64_t)to);
    while (r == 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        bytes += (size_t)sqlite3_column_bytes(stmt, 2);
        r = bytes > SOURCE_BODY_MAX
                ? err_set(e, ERR_NEEDS_OVERWRITE,
                      "too much was changed since revision %llu",
                      (unsigned long long)from)
                : add_revision(c, stmt, e);
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = database_error(s->history, e, "could not read the history");
    sqlite3_finalize(stmt);
    if (r != 0)
        return -1;
    if (c->set_count != to - from)
        return err_set(e, ERR_NEEDS_OVERWRITE,
            "history does not lead from revision %llu to %llu",
            (unsigned long long)from, (unsigned long long)to);
    for (size_t i = 0; i < c->set_count; i++)
        add_changes(c, &c->sets[i]);
    chain_sort(c);
    return 0;
}

/* Where a bundle from FROM ends: now, or before the next revision with DDL or
 * of too much, or with that one if it is the very next.  Each row takes some
 * memory beside its bytes. */
static int
find_end(struct source *s, uint64_t from, uint64_t *to, struct err *e)
{
    sqlite3_stmt *stmt;
    int r = 0;

    if (database_prepare(s->history,
            "SELECT coalesce(max(?1+1,min(revision)-1),?2) FROM"
            " (SELECT revision, ddl, sum(bytes+160*rows) OVER (ORDER BY"
            " revision) AS taken FROM history WHERE revision>?1 AND "
            "revision<=?2)"
            " WHERE ddl IS NOT NULL OR taken>?3",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_int64(stmt, 1, (int64_t)from);
    sqlite3_bind_int64(stmt, 2, (int64_t)s->state.revision);
    sqlite3_bind_int64(stmt, 3, (int64_t)SOURCE_CHAIN_MAX);
    if (sqlite3_step(stmt) == SQLITE_ROW)
        *to = (uint64_t)sqlite3_column_int64(stmt, 0);
    else
        r = database_error(s->history, e, "could not read the history");
    sqlite3_finalize(stmt);
    return r;
}

/* One table's entries on their way into a bundle. */
struct table_part {
    struct buf entries;
    uint64_t count;
    bool differences; /* rows may travel as what changed in them */
    struct buf found_key, row, values; /* reused */
};

/* Which columns of two rows differ, as one bit each, and the new values of
 * those; false when the rows do not line up, or are too wide for bits. */
static bool
row_difference(const struct chain_entry *en, const struct buf *now,
    uint64_t *columns, struct buf *values)
{
    struct reader a = reader_over(en->old_row, en->old_row_len);
    struct reader b = reader_over(now->data, now->len);

    *columns = 0;
    buf_clear(values);
    for (int i = 0; reader_left(&a) > 0; i++) {
        const uint8_t *x = a.p, *y = b.p;

        if (i == CHANGE_COLUMNS_MAX || value_skip(&a, 1) != 0 ||
            value_skip(&b, 1) != 0)
            return false;
        if (a.p - x == b.p - y && memcmp(x, y, (size_t)(a.p - x)) == 0)
            continue;
        *columns |= (uint64_t)1 << i;
        buf_put(values, y, (size_t)(b.p - y));
    }
    return reader_done(&a) && reader_done(&b);
}

static void
put_row(const struct chain_entry *en, struct table_part *part)
{
    uint64_t columns;

    if (part->differences && en->old_row != NULL &&
        row_difference(en, &part->row, &columns, &part->values)) {
        if (columns == 0)
            return; /* as it was at the start */
        buf_put_u8(&part->entries, OP_CHANGE);
        buf_put(&part->entries, part->found_key.data, part->found_key.len);
        buf_put_varint(&part->entries, columns);
        buf_put(&part->entries, part->values.data, part->values.len);
    } else {
        buf_put_u8(&part->entries, OP_PUT);
        buf_put(&part->entries, part->found_key.data, part->found_key.len);
        buf_put(&part->entries, part->row.data, part->row.len);
    }
    part->count++;
}

/* The published row of EN: 1 found, 0 not, -1 with E. */
static int
find_entry(struct source *s, const struct table *t,
    const struct chain_entry *en, struct table_part *part, struct err *e)
{
    int found;

    if (en->known) {
        buf_clear(&part->found_key);
        buf_clear(&part->row);
        buf_put(&part->found_key, en->key, en->key_len);
        if (en->new_row == NULL)
            return 0;
        buf_put(&part->row, en->new_row, en->new_row_len);
        return 1;
    }
    found = source_find_row(s, t, false, en->key, en->key_len, &part->found_key,
        &part->row, e);
    /* The same key in other bytes (NOCASE, 1 for 1.0) is an entry of its
     * own. */
    if (found == 1 &&
        (part->found_key.len != en->key_len ||
            memcmp(part->found_key.data, en->key, en->key_len) != 0))
        found = 0;
    return found;
}

static int
put_entry(struct source *s, const struct table *t, const struct chain_entry *en,
    struct table_part *part, struct err *e)
{
    int found = find_entry(s, t, en, part, e);

    if (found < 0)
        return -1;
    if (found == ROW_TOO_LARGE || part->entries.len > SOURCE_BODY_MAX)
        return err_set(e, ERR_NEEDS_OVERWRITE,
            "rows of table \"%s\" are too large to be sent one by one",
            en->table);
    if (found == 1) {
        put_row(en, part);
    } else if (en->existed) {
        buf_put_u8(&part->entries, OP_REMOVE);
        buf_put(&part->entries, en->key, en->key_len);
        part->count++;
    }
    return 0;
}

/* Appends the varint count of tables and the tables. */
int
source_put_tables(struct source *s, const struct chain_entry *entries,
    size_t count, bool differences, struct buf *body, struct err *e)
{
    struct table_part part = { .differences = differences };
    struct buf tables = BUF_INIT;
    uint64_t table_count = 0;
    int r = 0;

    for (size_t i = 0; r == 0 && i < count;) {
        const char *name = entries[i].table;
        const struct table *t = schema_find_table(s->schema, name);

        if (!entries[i].known && (t == NULL || t->unsupported != NULL)) {
            r = err_set(e, ERR_NEEDS_OVERWRITE, "no table \"%s\"", name);
            break;
        }
        buf_clear(&part.entries);
        part.count = 0;
        for (; r == 0 && i < count && strcmp(entries[i].table, name) == 0; i++)
            r = put_entry(s, t, &entries[i], &part, e);
        if (part.count == 0)
            continue;
        table_count++;
        buf_put_varint(&tables, strlen(name));
        buf_put(&tables, name, strlen(name));
        buf_put_varint(&tables, part.count);
        buf_put(&tables, part.entries.data, part.entries.len);
    }
    buf_put_varint(body, table_count);
    buf_put(body, tables.data, tables.len);
    buf_release(&tables);
    buf_release(&part.entries);
    buf_release(&part.found_key);
    buf_release(&part.row);
    buf_release(&part.values);
    return r;
}

void
source_put_specials(const struct buf *specials, struct buf *body)
{
    buf_put_u8(body, specials != NULL);
    buf_put_varint(body, specials != NULL ? specials->len : 0);
    if (specials != NULL)
        buf_put(body, specials->data, specials->len);
}

struct bundle_header
source_bundle_header(struct source *s, enum bundle_kind kind)
{
    struct bundle_header h = {
        .kind = kind,
        .epoch = s->state.epoch,
        .from_revision = s->state.revision,
        .to_revision = s->state.revision,
        .digest_before = s->state.digest,
        .digest_after = s->state.digest,
        .rows_after = s->state.rows,
        .changed_ms = s->state.changed_ms,
    };

    strncpy(h.dataset, s->config.name, DATASET_NAME_MAX);
    memcpy(h.cluster, s->state.cluster, ID_SIZE);
    memcpy(h.writer, s->state.writer, ID_SIZE);
    memcpy(h.schema_before, s->state.schema_hash, HASH_SIZE);
    memcpy(h.schema_after, s->state.schema_hash, HASH_SIZE);
    return h;
}

/* The header's other end, when that is not the current revision. */
static int
end_at(struct bundle_header *h, uint64_t to, const struct chain *c,
    struct err *e)
{
    if (!c->total_known)
        return err_set(e, ERR_NEEDS_OVERWRITE,
            "history does not say how many rows revision %llu has",
            (unsigned long long)to);
    h->to_revision = to;
    h->digest_after = c->digest_after;
    memcpy(h->schema_after, c->schema_after, HASH_SIZE);
    h->rows_after = c->total;
    h->changed_ms = c->made_ms;
    return 0;
}

int
source_bundle(struct source *source, uint64_t from,
    const struct bundle_signer *signer, struct buf *out,
    struct bundle_header *made, struct err *e)
{
    struct source *s = source;
    struct chain c = { 0 };
    struct buf body = BUF_INIT;
    struct bundle_header h;
    uint64_t to = s->state.revision;
    int r = -1;

    if (s->published == NULL || from >= s->state.revision)
        return err_set(e, ERR_INVALID, "no revision after %llu",
            (unsigned long long)from);
    h = source_bundle_header(s, BUNDLE_CHANGES);
    if (source_newest_leads_from(s, from))
        chain_take_newest(s, &c);
    else if (find_end(s, from, &to, e) != 0 ||
             chain_read(s, from, to, &c, e) != 0)
        goto out;
    if (to != s->state.revision && end_at(&h, to, &c, e) != 0)
        goto out;
    buf_put_varint(&body, c.ddl_count);
    buf_put(&body, c.ddl.data, c.ddl.len);
    source_put_specials(c.specials ? &c.specials_new : NULL, &body);
    if (source_put_tables(s, c.entries, c.entry_count, c.ddl_count == 0, &body,
            e) != 0)
        goto out;
    h.from_revision = from;
    h.digest_before = c.digest_before;
    memcpy(h.schema_before, c.schema_before, HASH_SIZE);
    h.raw_length = body.len;
    r = bundle_seal(&h, body.data, body.len, signer, out, e);
    if (r == 0 && made != NULL)
        *made = h;
out:
    chain_release(&c);
    buf_release(&body);
    return r;
}

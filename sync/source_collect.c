/*
 * What changed: the rows that the journal names, or, when that cannot be
 * trusted, every row.
 */
#include "sync/source_internal.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/open.h"
#include "sync/schema_select.h"

void
collection_release(struct collection *c)
{
    change_set_release(&c->set);
    capture_keys_release(&c->journal);
    buf_release(&c->specials);
}

static bool
same_row(const struct capture_key *a, const struct capture_key *b)
{
    return a->table == b->table && a->key_len == b->key_len &&
           memcmp(a->key, b->key, a->key_len) == 0;
}

static bool
same_key(const struct capture_key *a, const struct capture_key *b)
{
    return a->counter == b->counter && same_row(a, b);
}

/* Whether the journal holds nothing that was not published before.  Both are in
 * the journal's own order. */
static bool
nothing_new(const struct capture_keys *now, const struct capture_keys *before)
{
    size_t i = 0;

    for (size_t n = 0; n < now->count; n++) {
        while (
            i < before->count && !same_key(&now->items[n], &before->items[i]))
            i++;
        if (i == before->count)
            return false;
        i++;
    }
    return true;
}

/* Whether rows were published that the journal noted and now does not. */
static bool
noted_rows_are_gone(const struct capture_keys *now,
    const struct capture_keys *before)
{
    size_t i = 0;

    for (size_t n = 0; n < before->count; n++) {
        const struct capture_key *k = &before->items[n];

        /* The same order; a row noted again has a higher counter. */
        while (i < now->count && !same_row(&now->items[i], k))
            i++;
        if (i == now->count || now->items[i].counter < k->counter)
            return true;
    }
    return false;
}

/* Where a journal row may be noted twice under one key ('a' and 'A' under
 * NOCASE) the row found may be the same: an index of the rows taken. */
struct taken {
    size_t *slots; /* 1 + index into the set */
    size_t size;   /* a power of two */
};

static void
taken_init(struct taken *t, size_t count)
{
    t->size = 16;
    while (t->size < count * 2)
        t->size *= 2;
    t->slots = alloc_zeroed(t->size, sizeof(*t->slots));
}

static size_t
hash_key(const uint8_t *key, size_t len)
{
    uint64_t h = 14695981039346656037ull;

    for (size_t i = 0; i < len; i++)
        h = (h ^ key[i]) * 1099511628211ull;
    return (size_t)(h ^ (h >> 32));
}

/* Takes the set's newest change; drops it again if it was there. */
static void
take_newest(struct taken *t, struct change_set *set)
{
    struct change *c = &set->items[set->count - 1];
    const uint8_t *key = c->old_key != NULL ? c->old_key : c->new_key;
    size_t len = c->old_key != NULL ? c->old_key_len : c->new_key_len;
    size_t slot = hash_key(key, len) & (t->size - 1);

    for (; t->slots[slot] != 0; slot = (slot + 1) & (t->size - 1)) {
        const struct change *o = &set->items[t->slots[slot] - 1];
        const uint8_t *other = o->old_key != NULL ? o->old_key : o->new_key;
        size_t other_len = o->old_key != NULL ? o->old_key_len : o->new_key_len;

        if (o->table == c->table && other_len == len &&
            memcmp(other, key, len) == 0)
            goto repeated;
    }
    t->slots[slot] = set->count;
    return;
repeated:
    change_set_truncate(set, set->count - 1);
}

/* Reused from row to row. */
struct row_pair {
    struct buf old_key, old_row, new_key, new_row;
};

static int
collect_key(struct source *s, const struct capture_key *k, struct row_pair *p,
    struct taken *taken, struct change_set *set, struct err *e)
{
    int old, new;

    old = source_find_row(s, k->table, false, k->key, k->key_len, &p->old_key,
        &p->old_row, e);
    new = source_find_row(s, k->table, true, k->key, k->key_len, &p->new_key,
        &p->new_row, e);
    if (old < 0 || new < 0)
        return -1;
    if ((old == 0 && new == 0) ||
        (old == 1 && new == 1 && p->old_row.len == p->new_row.len &&
            p->old_key.len ==
                p->new_key.len &&memcmp(p->old_key.data, p->new_key.data,
                    p->old_key.len) == 0 &&
            memcmp(p->old_row.data, p->new_row.data, p->old_row.len) == 0))
        return 0;
    change_set_add(set, k->table->name, p->old_key.data, p->old_key.len,
        old ? p->old_row.data : NULL, p->old_row.len, p->new_key.data,
        p->new_key.len, new ? p->new_row.data : NULL, p->new_row.len);
    if (k->table->without_rowid)
        take_newest(taken, set);
    return 0;
}

/* Rows that were published at this counter need no look, as long as only the
 * log of the live file grew: a file put in its place may note other rows under
 * the same counters.  The journal's order makes one walk enough; where a row is
 * gone from it, the rest is looked at again. */
static int
collect_journal(struct source *s, struct collection *c, struct err *e)
{
    struct row_pair pair = { BUF_INIT, BUF_INIT, BUF_INIT, BUF_INIT };
    const struct capture_keys *now = &c->journal, *before = &s->journal;
    size_t known = s->live_known && source_same_mark(&s->seen_mark, &s->mark)
                       ? before->count
                       : 0;
    struct taken taken;
    size_t n = 0;
    int r = 0;

    taken_init(&taken, now->count);
    if (now->count > SOURCE_ROOM_ROWS)
        source_make_room(s, true);
    for (size_t i = 0; r == 0 && i < now->count; i++) {
        const struct capture_key *k = &now->items[i];
        bool again = n < known && same_row(k, &before->items[n]);

        if (!again || k->counter != before->items[n].counter)
            r = collect_key(s, k, &pair, &taken, &c->set, e);
        n += again;
    }
    free(taken.slots);
    buf_release(&pair.old_key);
    buf_release(&pair.old_row);
    buf_release(&pair.new_key);
    buf_release(&pair.new_row);
    return r;
}

static const char unseen[] = "a write that the triggers did not see";
static const char audit[] = "audit";

static const char *
reason_to_compare(const struct source *s, const struct collection *c)
{
    if (s->must_compare != NULL)
        return s->must_compare;
    if (s->auditing && s->unaudited)
        return audit;
    if (source_leaves_no_trace(s))
        return "as configured";
    if (s->nonce_before && noted_rows_are_gone(&c->journal, &s->journal))
        return "the journal lost rows";
    if (s->seen_version == s->data_version)
        return NULL;
    if (s->needs_compare.len > 0)
        return "a table that triggers cannot see whole";
    if (!c->specials_changed && nothing_new(&c->journal, &s->journal))
        return unseen;
    return s->auditing ? audit : NULL;
}

int
source_read_journal(struct source *s, struct capture_keys *keys, struct err *e)
{
    return source_leaves_no_trace(s)
               ? 0
               : capture_read(s->live, s->schema, keys, e);
}

int
source_collect(struct source *s, struct collection *c, struct err *e)
{
    if (specials_read(s->live, &s->schema->selection, &c->specials, e) != 0 ||
        source_read_journal(s, &c->journal, e) != 0)
        return -1;
    c->specials_changed =
        c->specials.len != s->specials.len ||
        memcmp(c->specials.data, s->specials.data, c->specials.len) != 0;
    c->compare_reason = reason_to_compare(s, c);
    if (c->compare_reason == NULL)
        return collect_journal(s, c, e);
    if (source_compare(s, s->schema, &c->set, SOURCE_COMPARE_MAX, e) != 0)
        return -1;
    /* An audit that found what the journal says is nothing to tell. */
    if (c->compare_reason == audit)
        c->compare_reason = source_all_noted(c) ? NULL : unseen;
    return 0;
}

/* Rows of TABLE, without those that are protected in T. */
static int
count_rows(sqlite3 *db, const char *table, const struct table *t,
    uint64_t *rows, struct err *e)
{
    struct buf sql = BUF_INIT;
    sqlite3_stmt *stmt = NULL;
    int r;

    buf_printf(&sql, "SELECT count(*) FROM main.");
    sql_put_name(&sql, table);
    table_put_filter(&sql, t, " WHERE ");
    buf_put_u8(&sql, 0);
    r = database_prepare(db, (const char *)sql.data, &stmt, e);

    *rows = 0;
    if (r == 0 && sqlite3_step(stmt) == SQLITE_ROW)
        *rows = (uint64_t)sqlite3_column_int64(stmt, 0);
    else if (r == 0)
        r = database_error(db, e, "could not count rows");
    sqlite3_finalize(stmt);
    buf_release(&sql);
    return r;
}

/* A table of fewer rows is never guarded. */
#define GUARDED_ROWS 50

static int
guard_table(struct source *s, const char *table, uint64_t deleted,
    uint64_t rows, struct err *e)
{
    uint64_t percent = (uint64_t)s->config.delete_guard_percent;

    if (percent == 0 || rows < GUARDED_ROWS || deleted * 100 <= rows * percent)
        return 0;
    source_hold(s,
        "%llu of %llu rows of table \"%s\" would be deleted, more than %llu %%",
        (unsigned long long)deleted, (unsigned long long)rows, table,
        (unsigned long long)percent);
    return source_held_error(s, e);
}

int
source_guard(struct source *s, const struct change_set *set, struct err *e)
{
    uint64_t rows;

    if (s->config.delete_guard_percent == 0)
        return 0;
    for (size_t t = 0; t < set->table_count; t++) {
        uint64_t deleted = 0;

        for (size_t i = 0; i < set->count; i++)
            if (set->items[i].table == set->tables[t] &&
                set->items[i].new_row == NULL)
                deleted++;
        /* Ten deleted rows of fifty are allowed always: no need to count. */
        if (deleted * 100 <=
            (uint64_t)s->config.delete_guard_percent * GUARDED_ROWS)
            continue;
        if (count_rows(s->published, set->tables[t],
                schema_find_table(s->schema, set->tables[t]), &rows, e) != 0 ||
            guard_table(s, set->tables[t], deleted, rows, e) != 0)
            return -1;
    }
    return 0;
}

/* The table's heir in the live file: itself, or, when it was renamed, a new
 * table of its shape. */
static const struct table *
find_heir(const struct source *s, const struct schema *live,
    const struct table *t)
{
    const struct table *heir = schema_find_table(live, t->name);

    for (size_t i = 0; heir == NULL && i < live->table_count; i++)
        if (live->tables[i].unsupported == NULL &&
            schema_find_table(s->schema, live->tables[i].name) == NULL &&
            table_same_shape(t, &live->tables[i]))
            heir = &live->tables[i];
    return heir;
}

int
source_guard_counts(struct source *s, const struct schema *live, struct err *e)
{
    if (s->published == NULL || s->schema == NULL)
        return 0;
    for (size_t i = 0; i < s->schema->table_count; i++) {
        const struct table *t = &s->schema->tables[i];
        const struct table *heir;
        uint64_t old, new = 0;

        if (t->unsupported != NULL || schema_leaves_out(live, t->name))
            continue;
        /* Rows that are protected from now on are not lost. */
        heir = find_heir(s, live, t);
        if (count_rows(s->published, t->name, t, &old, e) != 0 ||
            (heir != NULL && count_rows(s->live, heir->name, t, &new, e) != 0))
            return -1;
        if (new < old && guard_table(s, t->name, old - new, old, e) != 0)
            return -1;
    }
    return 0;
}

/*
 * What changed: the rows that the journal names, or, when that cannot be
 * trusted, every row.
 */
#include "sync/source_internal.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/large_row.h"
#include "sync/open.h"
#include "sync/schema_select.h"
#include "sync/value.h"

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

static int
too_much(struct err *e)
{
    return err_set(e, ERR_INVALID, "more changes than %zu MiB",
        SOURCE_CHANGES_MAX >> 20);
}

/* Two large rows of one key: 1 they differ, 0 not. */
static int
compare_large(struct source *s, const struct capture_key *k, struct err *e)
{
    struct hasher *h = hasher_new();
    uint8_t old[HASH_SIZE], new[HASH_SIZE];
    int result = -1;

    if (large_row_hash_key(s->published, k->table, k->key, k->key_len, h, old,
            e) == 0 &&
        large_row_hash_key(s->live, k->table, k->key, k->key_len, h, new, e) ==
            0)
        result = memcmp(old, new, HASH_SIZE) != 0;
    hasher_free(h);
    return result;
}

static bool
same_bytes(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* Whether the rows found differ: 1, 0, or -1 with E. */
static int
pair_differs(struct source *s, const struct capture_key *k,
    const struct row_pair *p, struct err *e)
{
    if (p->old != p->new || p->old == 0)
        return p->old != p->new;
    if (p->old == ROW_TOO_LARGE)
        return compare_large(s, k, e);
    return !same_bytes(&p->old_key, &p->new_key) ||
           !same_bytes(&p->old_row, &p->new_row);
}

int
source_row_differs(struct source *s, const struct capture_key *k,
    struct row_pair *p, struct err *e)
{
    p->old = source_find_row(s, k->table, false, k->key, k->key_len,
        &p->old_key, &p->old_row, e);
    if (p->old < 0)
        return -1;
    p->new = source_find_row(s, k->table, true, k->key, k->key_len, &p->new_key,
        &p->new_row, e);
    return p->new < 0 ? -1 : pair_differs(s, k, p, e);
}

void
row_pair_release(struct row_pair *p)
{
    buf_release(&p->old_key);
    buf_release(&p->old_row);
    buf_release(&p->new_key);
    buf_release(&p->new_row);
}

/* Takes the rows found of one key, if they differ. */
static int
take_pair(struct source *s, const struct capture_key *k,
    const struct row_pair *p, struct taken *taken, struct change_set *set,
    struct err *e)
{
    int differs = pair_differs(s, k, p, e);

    if (differs <= 0)
        return differs;
    if (p->old == ROW_TOO_LARGE || p->new == ROW_TOO_LARGE)
        return too_much(e);
    change_set_add(set, k->table->name, p->old_key.data, p->old_key.len,
        p->old ? p->old_row.data : NULL, p->old_row.len, p->new_key.data,
        p->new_key.len, p->new ? p->new_row.data : NULL, p->new_row.len);
    if (k->table->without_rowid)
        take_newest(taken, set);
    return set->bytes > SOURCE_CHANGES_MAX ? too_much(e) : 0;
}

static int
collect_keys(struct source *s, const struct capture_key *const *keys,
    size_t count, struct change_set *set, struct err *e)
{
    struct row_pairs *pairs = row_pairs_new();
    struct taken taken;
    size_t done;
    int r = 0;

    taken_init(&taken, count);
    while (r == 0 && count > 0) {
        r = source_find_pairs(s, keys, count, pairs, &done, e);
        for (size_t i = 0; r == 0 && i < done; i++)
            r = take_pair(s, keys[i], row_pairs_get(pairs, i), &taken, set, e);
        keys += done;
        count -= done;
    }
    free(taken.slots);
    row_pairs_free(pairs);
    return r;
}

/* Rows that were published at this counter need no look, as long as only the
 * log of the live file grew: a file put in its place may note other rows under
 * the same counters.  The journal's order makes one walk enough; where a row is
 * gone from it, the rest is looked at again. */
static int
collect_journal(struct source *s, struct collection *c, struct err *e)
{
    const struct capture_keys *now = &c->journal, *before = &s->journal;
    size_t known = s->live_known && source_same_mark(&s->seen_mark, &s->mark)
                       ? before->count
                       : 0;
    const struct capture_key **keys =
        alloc_zeroed(now->count + 1, sizeof(struct capture_key *));
    size_t n = 0, count = 0;
    int r;

    if (now->count > SOURCE_ROOM_ROWS)
        source_make_room(s, true);
    for (size_t i = 0; i < now->count; i++) {
        const struct capture_key *k = &now->items[i];
        bool again = n < known && same_row(k, &before->items[n]);

        if (!again || k->counter != before->items[n].counter)
            keys[count++] = k;
        n += again;
    }
    r = collect_keys(s, keys, count, &c->set, e);
    free(keys);
    return r;
}

static const char unseen[] = "a write that the triggers did not see";
static const char audit[] = "audit";

static const char *
reason_to_compare(const struct source *s, const struct collection *c)
{
    if (s->must_compare != NULL)
        return s->must_compare;
    if (c->journal.too_many)
        return "more rows were noted than are looked up one by one";
    if (s->auditing && s->unaudited)
        return audit;
    if (source_leaves_no_trace(s))
        return "as configured";
    if (s->nonce_before && s->journal.too_many)
        return "the journal may have lost rows";
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
    if (source_compare(s, s->schema, &c->set, SOURCE_CHANGES_MAX, e) != 0)
        return -1;
    /* An audit that found what the journal says is nothing to tell. */
    if (c->compare_reason == audit)
        c->compare_reason = source_all_noted(c) ? NULL : unseen;
    return 0;
}

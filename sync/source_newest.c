/*
 * Older files whose nonce is right are known by their rows: those of a revision
 * stand as they did before it, and no trigger noted that anybody changed them
 * back.  So is a file that was put back between a publish and its trim, and one
 * that came under a log of which a part was written to the file before it.
 */
#include "sync/source_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* A key with what is known of it; borrowed. */
struct keyed {
    const char *table;
    const uint8_t *key;
    size_t key_len;
    const struct change *change; /* NULL in the journal */
    int64_t counter;             /* in the journal */
};

struct keyed_list {
    struct keyed *items;
    size_t count;
};

static int
compare_keyed(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    size_t shorter = x->key_len < y->key_len ? x->key_len : y->key_len;
    int order = strcmp(x->table, y->table);

    if (order == 0 && shorter > 0)
        order = memcmp(x->key, y->key, shorter);
    if (order != 0)
        return order;
    return x->key_len < y->key_len ? -1 : x->key_len > y->key_len;
}

static struct keyed
keyed_change(const struct change *c)
{
    bool old = c->old_key != NULL;

    return (struct keyed){
        .table = c->table,
        .key = old ? c->old_key : c->new_key,
        .key_len = old ? c->old_key_len : c->new_key_len,
        .change = c,
    };
}

static void
sort_keyed(struct keyed_list *list)
{
    if (list->count > 1)
        qsort(list->items, list->count, sizeof(*list->items), compare_keyed);
}

static const struct keyed *
find_keyed(const struct keyed_list *list, const struct keyed *wanted)
{
    return list->count == 0 ? NULL
                            : bsearch(wanted, list->items, list->count,
                                  sizeof(*list->items), compare_keyed);
}

static void
list_changes(const struct change_set *set, struct keyed_list *list)
{
    list->items = alloc_zeroed(set->count + 1, sizeof(*list->items));
    for (size_t i = 0; i < set->count; i++)
        list->items[list->count++] = keyed_change(&set->items[i]);
    sort_keyed(list);
}

static void
list_journal(const struct capture_keys *keys, struct keyed_list *list)
{
    list->items = alloc_zeroed(keys->count + 1, sizeof(*list->items));
    for (size_t i = 0; i < keys->count; i++)
        list->items[list->count++] = (struct keyed){
            .table = keys->items[i].table->name,
            .key = keys->items[i].key,
            .key_len = keys->items[i].key_len,
            .counter = keys->items[i].counter,
        };
    sort_keyed(list);
}

/* What the triggers noted: in the live file, and of that what was published
 * already. */
struct notes {
    struct keyed_list live, published;
    bool too_many; /* to be known: any row may be noted */
};

static void
notes_take(struct notes *n, const struct source *s,
    const struct capture_keys *live)
{
    n->too_many = live->too_many || s->journal.too_many;
    list_journal(live, &n->live);
    list_journal(&s->journal, &n->published);
}

static void
notes_release(struct notes *n)
{
    free(n->live.items);
    free(n->published.items);
}

/* Whether K was noted after its publish.  A copy of the file as of before that
 * may hold an older note of the same row, which proves nothing. */
static bool
noted_since(const struct notes *n, const struct keyed *k)
{
    const struct keyed *now = find_keyed(&n->live, k);
    const struct keyed *then = find_keyed(&n->published, k);

    if (n->too_many)
        return true;
    return now != NULL && (then == NULL || now->counter > then->counter);
}

/* Whether the triggers note every change to a table.  Where they do not, a row
 * that is not noted proves nothing. */
static bool
is_noted(const struct source *s, const char *table)
{
    struct reader r = reader_over(s->needs_compare.data, s->needs_compare.len);

    while (reader_left(&r) > 0) {
        uint64_t len = reader_varint(&r);
        const uint8_t *name = reader_take(&r, (size_t)len);

        if (name == NULL)
            break;
        if (strlen(table) == len && memcmp(name, table, (size_t)len) == 0)
            return false;
    }
    return true;
}

/* Whether the live row is what MADE found before it. */
static bool
undone(const struct change *made, const struct change *live)
{
    if (made->old_row == NULL || live->new_row == NULL)
        return made->old_row == NULL && live->new_row == NULL;
    return made->old_row_len == live->new_row_len &&
           memcmp(made->old_row, live->new_row, made->old_row_len) == 0;
}

/* Revisions looked at, at most; as many are rarely published before a trim. */
#define UNTRIMMED_MAX 64

/* The first revision that came after the nonce which the live file has. */
static uint64_t
first_untrimmed(const struct source *s)
{
    uint64_t newest = s->state.revision;
    uint64_t trimmed = source_nonce_revision(s->state.nonce);

    if (!source_nonce_is_set(s->state.nonce) || trimmed >= newest)
        return newest;
    return newest - trimmed > UNTRIMMED_MAX ? newest - UNTRIMMED_MAX + 1
                                            : trimmed + 1;
}

/* Holds when LIVE, the differences to the published copy, undo a row of
 * REVISION without a note. */
static int
guard_revision(struct source *s, uint64_t revision,
    const struct keyed_list *live, const struct notes *notes, struct err *e)
{
    struct change_set made;
    int r;

    change_set_init(&made);
    r = history_changes(s, revision, &made, e);
    for (size_t i = 0; r == 0 && i < made.count; i++) {
        const struct keyed k = keyed_change(&made.items[i]);
        const struct keyed *now = find_keyed(live, &k);

        if (now == NULL || !undone(k.change, now->change) ||
            noted_since(notes, &k) || (!s->replaced && !is_noted(s, k.table)))
            continue;
        r = source_hold_older(s, "before", revision, e);
    }
    change_set_release(&made);
    return r;
}

bool
source_all_noted(const struct collection *c)
{
    struct keyed_list noted = { 0 };
    bool all = true;

    list_journal(&c->journal, &noted);
    for (size_t i = 0; all && i < c->set.count; i++) {
        const struct keyed k = keyed_change(&c->set.items[i]);

        all = find_keyed(&noted, &k) != NULL;
    }
    free(noted.items);
    return all;
}

int
source_guard_newest(struct source *s, const struct collection *c, struct err *e)
{
    struct keyed_list live = { 0 };
    struct notes notes = { 0 };
    int r = 0;

    if (!s->nonce_before || c->compare_reason == NULL || c->set.count == 0)
        return 0;
    list_changes(&c->set, &live);
    notes_take(&notes, s, &c->journal);
    for (uint64_t n = first_untrimmed(s); r == 0 && n <= s->state.revision; n++)
        r = guard_revision(s, n, &live, &notes, e);
    free(live.items);
    notes_release(&notes);
    return r;
}

/* Reused from row to row. */
struct row_bufs {
    struct buf key, live, published;
};

/* Whether the live row stands as it did before MADE, unlike the published,
 * which few live rows make it necessary to look at. */
static int
stands_undone(struct source *s, const struct change *made, struct row_bufs *b,
    bool *is_undone, struct err *e)
{
    const struct table *t = schema_find_table(s->schema, made->table);
    const struct keyed k = keyed_change(made);
    int live, published;

    *is_undone = false;
    if (t == NULL || t->unsupported != NULL)
        return 0;
    live = source_find_row(s, t, true, k.key, k.key_len, &b->key, &b->live, e);
    if (live < 0)
        return -1;
    if (live == ROW_TOO_LARGE)
        return 0; /* what a revision keeps is smaller */
    if ((made->old_row != NULL) != (live == 1) ||
        (live == 1 &&
            (b->live.len != made->old_row_len ||
                memcmp(b->live.data, made->old_row, b->live.len) != 0)))
        return 0;
    published = source_find_row(s, t, false, k.key, k.key_len, &b->key,
        &b->published, e);
    if (published < 0)
        return -1;
    *is_undone = live != published ||
                 (live == 1 && (b->live.len != b->published.len ||
                                   memcmp(b->live.data, b->published.data,
                                       b->live.len) != 0));
    return 0;
}

static int
find_undone(struct source *s, const struct change_set *made, bool *found,
    struct err *e)
{
    struct row_bufs b = { BUF_INIT, BUF_INIT, BUF_INIT };
    struct capture_keys journal = { 0 };
    struct notes notes = { 0 };
    bool is_undone;
    int r = 0;

    for (size_t i = 0; r == 0 && !*found && i < made->count; i++) {
        const struct keyed k = keyed_change(&made->items[i]);

        if (!is_noted(s, k.table))
            continue;
        r = stands_undone(s, &made->items[i], &b, &is_undone, e);
        if (r != 0 || !is_undone)
            continue;
        if (notes.live.items == NULL &&
            (r = capture_read(s->live, s->schema, &journal, e)) == 0)
            notes_take(&notes, s, &journal);
        *found = r == 0 && !noted_since(&notes, &k);
    }
    notes_release(&notes);
    capture_keys_release(&journal);
    buf_release(&b.key);
    buf_release(&b.live);
    buf_release(&b.published);
    return r;
}

/* Whether one of the revisions from FIRST to LAST is undone.  Their rows lie
 * all over the file. */
static int
lacks_one_of(struct source *s, uint64_t first, uint64_t last, bool *found,
    struct err *e)
{
    struct schema *live = NULL;
    bool same;
    int r = 0;

    *found = false;
    if (s->schema == NULL || first > last)
        return 0;
    if (source_load_live(s, &live, e) != 0)
        return -1;
    same = memcmp(live->hash, s->schema->hash, HASH_SIZE) == 0;
    schema_free(live);
    for (uint64_t n = first; same && r == 0 && !*found && n <= last; n++) {
        struct change_set made;

        change_set_init(&made);
        r = history_changes(s, n, &made, e);
        if (made.count > SOURCE_ROOM_ROWS)
            source_make_room(s, true);
        if (r == 0)
            r = find_undone(s, &made, found, e);
        change_set_release(&made);
    }
    return r;
}

int
source_lacks_revision(struct source *s, uint64_t revision, bool *found,
    struct err *e)
{
    *found = false;
    return revision > s->state.revision
               ? 0
               : lacks_one_of(s, revision, revision, found, e);
}

int
source_lacks_untrimmed(struct source *s, bool *found, struct err *e)
{
    return lacks_one_of(s, first_untrimmed(s), s->state.revision, found, e);
}

/*
 * Repairs: the keys that a secondary says have drifted there, set to their
 * rows as of the revision that it holds.  One that is behind is repaired where
 * it is, and caught up from there as if nothing had drifted.
 */
#include "sync/source_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/open.h"
#include "sync/value.h"

/* The keys of a repair, as asked for by a secondary: nothing in them is
 * trusted. */
static int
read_keys(struct chain *c, struct change_set *names,
    const struct schema *schema, const void *keys, size_t len, struct err *e)
{
    struct reader r = reader_over(keys, len);
    uint64_t count = reader_varint(&r);

    for (uint64_t i = 0; i < count; i++) {
        uint64_t name_len = reader_varint(&r), key_len;
        const uint8_t *name = NULL, *key = NULL;
        const struct table *t;
        struct reader check;
        char *text;

        if (!r.failed && name_len <= reader_left(&r))
            name = reader_take(&r, (size_t)name_len);
        key_len = reader_varint(&r);
        if (!r.failed && key_len <= reader_left(&r))
            key = reader_take(&r, (size_t)key_len);
        if (name == NULL || key == NULL)
            return err_set(e, ERR_CORRUPT, "malformed list of keys");
        text = alloc_copy(name, (size_t)name_len);
        t = schema_find_table(schema, text);
        free(text);
        check = reader_over(key, (size_t)key_len);
        if (t == NULL || t->unsupported != NULL)
            return err_set(e, ERR_NEEDS_OVERWRITE,
                "a drifted table is not in the published copy");
        if (value_skip(&check, t->key_count) != 0 || !reader_done(&check))
            return err_set(e, ERR_CORRUPT, "malformed list of keys");
        chain_add(c, change_set_table(names, t->name), key, (size_t)key_len,
            true, NULL, 0);
    }
    if (!reader_done(&r))
        return err_set(e, ERR_CORRUPT, "malformed list of keys");
    chain_sort(c);
    return 0;
}

/* A key may be published in other bytes than the secondary holds (NOCASE, or 1
 * for 1.0): the one asked for goes, the published one comes.  The copies live
 * in KEPT. */
static int
add_published_keys(struct source *s, struct chain *c, struct change_set *kept,
    struct err *e)
{
    struct buf key = BUF_INIT, row = BUF_INIT;
    size_t count = c->entry_count;
    int found = 0;

    for (size_t i = 0; found >= 0 && i < count; i++) {
        const struct table *t =
            schema_find_table(s->schema, c->entries[i].table);
        const struct change *copy;

        found = source_find_row(s, t, false, c->entries[i].key,
            c->entries[i].key_len, &key, &row, e);
        if (found != 1)
            continue;
        change_set_add(kept, t->name, key.data, key.len, row.data, 0, NULL, 0,
            NULL, 0);
        copy = &kept->items[kept->count - 1];
        chain_add(c, copy->table, copy->old_key, copy->old_key_len, false, NULL,
            0);
    }
    buf_release(&key);
    buf_release(&row);
    if (found < 0)
        return -1;
    chain_sort(c);
    return 0;
}

static bool
names_table(const struct change_set *names, const char *table)
{
    for (size_t i = 0; i < names->table_count; i++)
        if (strcmp(names->tables[i], table) == 0)
            return true;
    return false;
}

/* What undoes those changes of SET that are to tables in NAMES; its tuples are
 * SET's own. */
static struct change_set
reverse(const struct change_set *set, const struct change_set *names)
{
    struct change_set undo = { 0 };

    undo.items = alloc_zeroed(set->count + 1, sizeof(*undo.items));
    for (size_t i = 0; i < set->count; i++) {
        const struct change *c = &set->items[i];

        if (!names_table(names, c->table))
            continue;
        undo.items[undo.count++] = (struct change){
            .table = c->table,
            .old_key = c->new_key,
            .old_key_len = c->new_key_len,
            .old_row = c->new_row,
            .old_row_len = c->new_row_len,
            .new_key = c->old_key,
            .new_key_len = c->old_key_len,
            .new_row = c->old_row,
            .new_row_len = c->old_row_len,
        };
    }
    return undo;
}

static uint64_t
rows_before(uint64_t rows, const struct chain *later)
{
    for (size_t n = 0; n < later->set_count; n++) {
        const struct change_set *set = &later->sets[n];

        for (size_t i = 0; i < set->count; i++) {
            rows += set->items[i].old_row != NULL;
            rows -= set->items[i].new_row != NULL;
        }
    }
    return rows;
}

/* Takes the tables in NAMES back to what they were before LATER, in a
 * transaction of the published copy that is never committed: there SQLite finds
 * a row by its key as it was, whatever the key's collation. */
static int
step_back(struct source *s, const struct chain *later,
    const struct change_set *names, struct err *e)
{
    int r = 0;

    if (database_exec(s->published, "BEGIN IMMEDIATE", e) != 0)
        return -1;
    for (size_t n = later->set_count; r == 0 && n > 0; n--) {
        struct change_set undo = reverse(&later->sets[n - 1], names);

        r = source_apply(s, &undo, false, e);
        free(undo.items);
    }
    /* History that contradicts the published copy leads nowhere. */
    if (r != 0 && (e->code == ERR_CORRUPT || e->code == ERR_INVALID))
        e->code = ERR_NEEDS_OVERWRITE;
    return r;
}

/* A repair under way. */
struct repair {
    struct source *s;
    uint64_t revision;
    struct bundle_header header;
    struct chain wanted;      /* the keys */
    struct change_set copies; /* what they point to */
    struct chain later;       /* what happened after REVISION */
    struct buf recalled;
    const struct buf *specials; /* of REVISION; NULL: not known, left alone */
};

/* The header and the specials of an older revision. */
static int
look_back(struct repair *p, struct err *e)
{
    struct bundle_header *h = &p->header;
    bool known;

    if (chain_read(p->s, p->revision, p->s->state.revision, &p->later, e) != 0)
        return -1;
    if (p->later.ddl_count > 0)
        return err_set(e, ERR_NEEDS_OVERWRITE,
            "the schema was changed after revision %llu",
            (unsigned long long)p->revision);
    if (history_recall(p->s, p->revision, &h->changed_ms, &known, &p->recalled,
            e) != 0)
        return -1;
    if (p->later.specials)
        p->specials = known ? &p->recalled : NULL;
    h->from_revision = h->to_revision = p->revision;
    h->digest_before = h->digest_after = p->later.digest_before;
    h->rows_after = rows_before(h->rows_after, &p->later);
    return 0;
}

static int
put_body(struct repair *p, struct buf *body, struct err *e)
{
    if (add_published_keys(p->s, &p->wanted, &p->copies, e) != 0)
        return -1;
    buf_put_varint(body, 0);
    source_put_specials(p->specials, body);
    return source_put_tables(p->s, p->wanted.entries, p->wanted.entry_count,
        false, body, e);
}

static int
repair_body(struct repair *p, const void *keys, size_t keys_len,
    struct buf *body, struct err *e)
{
    struct source *s = p->s;
    int r;

    if (s->published == NULL || p->revision == 0 ||
        p->revision > s->state.revision)
        return err_set(e, ERR_INVALID, "revision %llu was not published",
            (unsigned long long)p->revision);
    p->header = source_bundle_header(s, BUNDLE_REPAIR);
    p->specials = &s->specials;
    if (read_keys(&p->wanted, &p->copies, s->schema, keys, keys_len, e) != 0)
        return -1;
    if (p->revision == s->state.revision)
        return put_body(p, body, e);
    if (look_back(p, e) != 0)
        return -1;
    r = step_back(s, &p->later, &p->copies, e);
    if (r == 0)
        r = put_body(p, body, e);
    database_rollback(s->published);
    return r;
}

int
source_repair(struct source *source, uint64_t revision, const void *keys,
    size_t keys_len, const struct bundle_signer *signer, struct buf *out,
    struct err *e)
{
    struct repair p = { .s = source, .revision = revision };
    struct buf body = BUF_INIT;
    int r;

    change_set_init(&p.copies);
    r = repair_body(&p, keys, keys_len, &body, e);
    if (r == 0) {
        p.header.raw_length = body.len;
        r = bundle_seal(&p.header, body.data, body.len, signer, out, e);
    }
    chain_release(&p.wanted);
    chain_release(&p.later);
    change_set_release(&p.copies);
    buf_release(&p.recalled);
    buf_release(&body);
    return r;
}

/*
 * Drifted rows set right: each row that differs is written to the drift file,
 * durably, before the transaction that mends it commits.  Equality is proved by
 * the digest that the examination found in the file, followed row by row.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/drift.h"
#include "sync/open.h"
#include "sync/replica_internal.h"
#include "sync/value.h"

static int
check_repair(const struct replica *r, const struct bundle_header *h,
    struct err *e)
{
    const struct dataset_state *held = &r->state;

    if (h->from_revision != h->to_revision)
        return err_set(e, ERR_CORRUPT, "repair between two revisions");
    if (h->to_revision != held->revision)
        return err_set(e, ERR_GAP,
            "dataset \"%s\": revision %llu is held, the repair is of %llu",
            r->name, (unsigned long long)held->revision,
            (unsigned long long)h->to_revision);
    if (!digest_equal(&h->digest_after, &held->digest))
        return err_set(e, ERR_DIVERGED,
            "dataset \"%s\": revision %llu is held with another digest",
            r->name, (unsigned long long)held->revision);
    if (memcmp(h->schema_after, r->schema->hash, HASH_SIZE) != 0)
        return err_set(e, ERR_SCHEMA,
            "dataset \"%s\" has another schema than the primary's", r->name);
    return 0;
}

struct repair_log {
    struct replica *r;
    struct drift_file *file;
};

static void
log_change(void *ctx, const struct row_change *c)
{
    struct repair_log *log = ctx;

    drift_file_add(log->file, c->table, c->key, c->key_len, c->found,
        c->found_len, c->wanted, c->wanted_len, "changed on this server");
}

/* A key that the bundle names. */
struct named_key {
    const char *table; /* the schema's own string: equal means same table */
    const uint8_t *key;
    size_t key_len;
};

struct named_keys {
    struct named_key *items;
    size_t count;
};

static int
compare_named(const void *a, const void *b)
{
    const struct named_key *x = a, *y = b;
    size_t shorter = x->key_len < y->key_len ? x->key_len : y->key_len;
    int order = strcmp(x->table, y->table);

    if (order == 0)
        order = memcmp(x->key, y->key, shorter);
    if (order != 0)
        return order;
    return x->key_len < y->key_len ? -1 : x->key_len > y->key_len;
}

/* Gathers the keys of one table; the body was found well-formed before. */
static void
name_keys_of(const struct table *t, struct reader *body, uint64_t count,
    struct named_keys *named)
{
    for (uint64_t n = 0; n < count && !body->failed; n++) {
        uint8_t op = reader_u8(body);
        const uint8_t *key = body->p;

        value_skip(body, t->key_count);
        if ((named->count & (named->count + 1)) == 0)
            named->items = alloc_resize(named->items, 2 * (named->count + 1),
                sizeof(*named->items));
        named->items[named->count++] = (struct named_key){
            .table = t->name,
            .key = key,
            .key_len = (size_t)(body->p - key),
        };
        if (op == 2)
            value_skip(body, t->column_count);
    }
}

static void
name_keys(const struct schema *s, struct reader body, struct named_keys *named)
{
    uint64_t tables = reader_varint(&body);

    for (uint64_t i = 0; i < tables && !body.failed; i++) {
        size_t name_len = (size_t)reader_varint(&body);
        const uint8_t *name = reader_take(&body, name_len);
        uint64_t count = reader_varint(&body);
        char *text = name != NULL ? alloc_copy(name, name_len) : NULL;
        const struct table *t =
            text != NULL ? schema_find_table(s, text) : NULL;

        free(text);
        if (t == NULL)
            break;
        name_keys_of(t, &body, count, named);
    }
    if (named->count > 1)
        qsort(named->items, named->count, sizeof(*named->items), compare_named);
}

/* The journal's keys: those that the bundle names, and the rest. */
struct key_split {
    struct capture_keys named;
    struct capture_keys rest;
};

static void
split_keys(const struct replica *r, struct reader body,
    const struct capture_keys *keys, struct key_split *split)
{
    struct named_keys named = { 0 };

    name_keys(r->schema, body, &named);
    split->named.items = alloc_zeroed(keys->count + 1, sizeof(*keys->items));
    split->rest.items = alloc_zeroed(keys->count + 1, sizeof(*keys->items));
    for (size_t i = 0; i < keys->count; i++) {
        const struct capture_key *k = &keys->items[i];
        struct named_key wanted = { k->table->name, k->key, k->key_len };
        bool there =
            named.count > 0 && bsearch(&wanted, named.items, named.count,
                                   sizeof(wanted), compare_named) != NULL;
        struct capture_keys *to = there ? &split->named : &split->rest;

        to->items[to->count++] = *k;
    }
    free(named.items);
}

static int
repair_rows(struct replica *r, const struct buf *bytes, struct row_work *w,
    struct capture_keys *keys, struct key_split *split, struct err *e)
{
    struct reader body = reader_over(bytes->data, bytes->len);
    uint64_t ddl = reader_varint(&body);

    if (body.failed || ddl != 0)
        return err_set(e, ERR_CORRUPT, "a repair changes no schema");
    if (body_read_specials(w, &body, e) != 0 || rows_apply(w, body, e) != 0 ||
        rows_apply_specials(w, e) != 0 || replica_read_journal(r, keys, e) != 0)
        return -1;
    split_keys(r, body, keys, split);
    return 0;
}

static void
settle(struct replica *r, const struct row_work *w, const struct buf *specials,
    uint64_t left)
{
    live_note_stat(r);
    r->actual = w->digest;
    r->actual_rows = w->rows;
    if (specials->len > 0) {
        buf_clear(&r->specials);
        buf_put(&r->specials, specials->data, specials->len);
    }
    if (left == 0)
        replica_mark_equal(r);
    else
        r->drift_rows = left;
}

int
repair_apply(struct replica *r, const struct bundle_header *h,
    const struct buf *body, bool clear_first, bool *collided, struct err *e)
{
    struct repair_log log = { .r = r };
    struct row_work w = {
        .r = r,
        .digest = r->actual,
        .rows = r->actual_rows,
        .clear_first = clear_first,
        .on_change = log_change,
        .on_change_ctx = &log,
    };
    struct capture_keys keys = { 0 };
    struct key_split split = { 0 };
    bool equal;
    int result = -1;

    if (check_repair(r, h, e) != 0 ||
        drift_file_open(&log.file, r->work_dir, r->name, e) != 0 ||
        repair_rows(r, body, &w, &keys, &split, e) != 0)
        goto out;
    equal = digest_equal(&w.digest, &r->state.digest);
    if (!equal && split.rest.count == 0) {
        r->needs_overwrite = true;
        snprintf(r->reason, sizeof(r->reason),
            "more was changed on this server than its triggers noted");
        replica_refuse_drift(r, e);
        goto out;
    }
    if (drift_file_commit(log.file, e) != 0 ||
        capture_trim(r->db, equal ? &keys : &split.named, e) != 0 ||
        live_commit(r, e) != 0)
        goto out;
    settle(r, &w, &w.specials_now, equal ? 0 : split.rest.count);
    result = equal ? 0 : replica_refuse_drift(r, e);
out:
    *collided = w.collided && !clear_first;
    drift_file_close(log.file);
    free(split.named.items);
    free(split.rest.items);
    capture_keys_release(&keys);
    buf_release(&w.specials_now);
    return result;
}

/*
 * Repairs: the keys that a secondary says have drifted there, set to what is
 * published.
 */
#include "sync/source_internal.h"

#include <stdlib.h>

#include "base/alloc.h"
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
        change_set_add(kept, t->name, key.data, key.len, row.data, row.len,
            NULL, 0, NULL, 0);
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

int
source_repair(struct source *source, const void *keys, size_t keys_len,
    const struct bundle_signer *signer, struct buf *out, struct err *e)
{
    struct source *s = source;
    struct chain c = { 0 };
    struct change_set names;
    struct buf body = BUF_INIT;
    struct bundle_header h;
    int r = -1;

    change_set_init(&names);
    if (s->published == NULL) {
        err_set(e, ERR_NOT_FOUND, "nothing is published yet");
        goto out;
    }
    h = source_bundle_header(s, BUNDLE_REPAIR);
    if (read_keys(&c, &names, s->schema, keys, keys_len, e) != 0 ||
        add_published_keys(s, &c, &names, e) != 0)
        goto out;
    buf_put_varint(&body, 0);
    source_put_specials(s, true, &body);
    if (source_put_tables(s, c.entries, c.entry_count, false, &body, e) != 0)
        goto out;
    h.raw_length = body.len;
    r = bundle_seal(&h, body.data, body.len, signer, out, e);
out:
    chain_release(&c);
    change_set_release(&names);
    buf_release(&body);
    return r;
}

/*
 * Rows by their keys, as they are published: what a server says has drifted.
 */
#include "sync/source_internal.h"

#include <stdlib.h>

#include "base/alloc.h"

/* One key of the list; an unknown table is none of ours to show. */
static int
give_published(struct source *s, const struct shapes *shapes, struct reader *r,
    const struct diff_sink *sink, struct buf *key, struct buf *row,
    struct err *e)
{
    uint64_t name_len = reader_varint(r), key_len;
    const uint8_t *name = NULL, *wanted = NULL;
    const struct table *t;
    struct change c = { .table = NULL };
    char *text;
    int found;

    if (!r->failed && name_len <= reader_left(r))
        name = reader_take(r, (size_t)name_len);
    key_len = reader_varint(r);
    if (!r->failed && key_len <= reader_left(r))
        wanted = reader_take(r, (size_t)key_len);
    if (name == NULL || wanted == NULL)
        return err_set(e, ERR_CORRUPT, "malformed list of keys");
    text = alloc_copy(name, (size_t)name_len);
    t = schema_find_table(s->schema, text);
    free(text);
    if (t == NULL || t->unsupported != NULL)
        return 0;
    found = source_find_row(s, t, false, wanted, (size_t)key_len, key, row, e);
    if (found < 0)
        return -1;
    if (found == ROW_TOO_LARGE)
        return sink->large(sink->ctx, '~', t->name, wanted, (size_t)key_len,
            shapes_find(shapes, t->name), e);
    c.table = t->name;
    c.old_key = (uint8_t *)(uintptr_t)wanted;
    c.old_key_len = (size_t)key_len;
    if (found == 1) {
        c.new_key = key->data;
        c.new_key_len = key->len;
        c.new_row = row->data;
        c.new_row_len = row->len;
    }
    return sink->row(sink->ctx, &c, NULL, shapes_find(shapes, t->name), e);
}

int
source_published_rows(struct source *source, const void *keys, size_t keys_len,
    const struct diff_sink *sink, struct err *e)
{
    struct reader r = reader_over(keys, keys_len);
    uint64_t count = reader_varint(&r);
    struct shapes shapes = SHAPES_INIT;
    struct buf key = BUF_INIT, row = BUF_INIT;
    int result = 0;

    shapes_of_schema(&shapes, source->schema);
    for (uint64_t i = 0; result == 0 && i < count; i++)
        result = give_published(source, &shapes, &r, sink, &key, &row, e);
    shapes_release(&shapes);
    buf_release(&key);
    buf_release(&row);
    return result;
}

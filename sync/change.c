/*
 * Sets of changed rows, in memory and as history stores them.
 *
 * Stored form: varint table count, each name counted by a varint; varint change
 * count, each: varint table index, u8 flags (1 old row, 2 new row, 4 new key
 * differs), then as flagged: old key and row, or new key and row, all counted
 * by varints; the key stands once when both are alike.
 */
#include "sync/change.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { HAS_OLD = 1, HAS_NEW = 2, KEY_MOVED = 4 };

void
change_set_init(struct change_set *s)
{
    memset(s, 0, sizeof(*s));
}

/* Tuples lie one behind the other in blocks that never move: small ones cost no
 * allocation each, and large ones are given back to the system at once. */
struct change_block {
    struct change_block *next;
    size_t used, size;
    uint8_t bytes[];
};

#define BLOCK_MIN ((size_t)4 << 10)
#define BLOCK_MAX ((size_t)256 << 10)

static uint8_t *
take_bytes(struct change_set *s, size_t len)
{
    struct change_block *b = s->blocks;
    uint8_t *taken;

    if (b == NULL || b->size - b->used < len) {
        size_t size = b == NULL             ? BLOCK_MIN
                      : b->size < BLOCK_MAX ? b->size * 2
                                            : BLOCK_MAX;

        if (size < len)
            size = len;
        b = alloc_bytes(sizeof(*b) + size);
        b->next = s->blocks;
        b->used = 0;
        b->size = size;
        s->blocks = b;
    }
    taken = b->bytes + b->used;
    b->used += len;
    return taken;
}

void
change_set_release(struct change_set *s)
{
    for (struct change_block *b = s->blocks, *next; b != NULL; b = next) {
        next = b->next;
        free(b);
    }
    for (size_t i = 0; i < s->table_count; i++)
        free(s->tables[i]);
    free(s->items);
    free(s->tables);
    change_set_init(s);
}

static size_t
size_of(const struct change *c)
{
    return sizeof(*c) + c->old_key_len + c->old_row_len + c->new_key_len +
           c->new_row_len;
}

void
change_set_truncate(struct change_set *s, size_t count)
{
    while (s->count > count)
        s->bytes -= size_of(&s->items[--s->count]);
}

const char *
change_set_table(struct change_set *s, const char *name)
{
    for (size_t i = s->table_count; i > 0; i--)
        if (strcmp(s->tables[i - 1], name) == 0)
            return s->tables[i - 1];
    s->tables = alloc_resize(s->tables, s->table_count + 1, sizeof(char *));
    s->tables[s->table_count] = alloc_string(name);
    return s->tables[s->table_count++];
}

static uint8_t *
copy_of(struct change_set *s, const void *data, size_t len)
{
    uint8_t *copy;

    if (data == NULL)
        return NULL;
    copy = take_bytes(s, len);
    if (len > 0)
        memcpy(copy, data, len);
    return copy;
}

void
change_set_add(struct change_set *s, const char *table, const void *old_key,
    size_t old_key_len, const void *old_row, size_t old_row_len,
    const void *new_key, size_t new_key_len, const void *new_row,
    size_t new_row_len)
{
    struct change *c;

    if (s->count == s->capacity) {
        s->capacity = s->capacity == 0 ? 16 : s->capacity * 2;
        s->items = alloc_resize(s->items, s->capacity, sizeof(*s->items));
    }
    c = &s->items[s->count++];
    *c = (struct change){
        .table = change_set_table(s, table),
        .old_key = old_row == NULL ? NULL : copy_of(s, old_key, old_key_len),
        .old_key_len = old_row == NULL ? 0 : old_key_len,
        .old_row = copy_of(s, old_row, old_row_len),
        .old_row_len = old_row == NULL ? 0 : old_row_len,
        .new_key = new_row == NULL ? NULL : copy_of(s, new_key, new_key_len),
        .new_key_len = new_row == NULL ? 0 : new_key_len,
        .new_row = copy_of(s, new_row, new_row_len),
        .new_row_len = new_row == NULL ? 0 : new_row_len,
    };
    s->bytes += size_of(c);
}

static void
put_counted(struct buf *out, const void *data, size_t len)
{
    buf_put_varint(out, len);
    buf_put(out, data, len);
}

static bool
key_moved(const struct change *c)
{
    return c->old_row != NULL && c->new_row != NULL &&
           (c->old_key_len != c->new_key_len ||
               memcmp(c->old_key, c->new_key, c->new_key_len) != 0);
}

static size_t
table_index(const struct change_set *s, const char *table)
{
    size_t i = 0;

    while (s->tables[i] != table)
        i++;
    return i;
}

void
change_set_encode(const struct change_set *s, struct buf *out)
{
    buf_put_varint(out, s->table_count);
    for (size_t i = 0; i < s->table_count; i++)
        put_counted(out, s->tables[i], strlen(s->tables[i]));
    buf_put_varint(out, s->count);
    for (size_t i = 0; i < s->count; i++) {
        const struct change *c = &s->items[i];
        bool moved = key_moved(c);

        buf_put_varint(out, table_index(s, c->table));
        buf_put_u8(out, (uint8_t)((c->old_row != NULL ? HAS_OLD : 0) |
                                  (c->new_row != NULL ? HAS_NEW : 0) |
                                  (moved ? KEY_MOVED : 0)));
        if (c->old_row != NULL) {
            put_counted(out, c->old_key, c->old_key_len);
            put_counted(out, c->old_row, c->old_row_len);
        }
        if (c->new_row != NULL) {
            if (c->old_row == NULL || moved)
                put_counted(out, c->new_key, c->new_key_len);
            put_counted(out, c->new_row, c->new_row_len);
        }
    }
}

struct slice {
    const uint8_t *data;
    size_t len;
};

static struct slice
take_counted(struct reader *r)
{
    uint64_t len = reader_varint(r);
    struct slice s = { NULL, 0 };

    if (r->failed || len > reader_left(r)) {
        r->failed = true;
        return s;
    }
    s.len = (size_t)len;
    s.data = reader_take(r, s.len);
    return s;
}

static int
decode_tables(struct change_set *s, struct reader *r)
{
    uint64_t count = reader_varint(r);

    if (r->failed || count > reader_left(r))
        return -1;
    for (uint64_t i = 0; i < count; i++) {
        struct slice name = take_counted(r);
        char *text;

        if (r->failed)
            return -1;
        text = alloc_copy(name.data, name.len);
        change_set_table(s, text);
        free(text);
    }
    return s->table_count == count ? 0 : -1;
}

static int
decode_change(struct change_set *s, struct reader *r)
{
    uint64_t table = reader_varint(r);
    uint8_t flags = reader_u8(r);
    struct slice old_key = { NULL, 0 }, old_row = { NULL, 0 };
    struct slice new_key, new_row = { NULL, 0 };

    if (r->failed || table >= s->table_count ||
        (flags & (HAS_OLD | HAS_NEW)) == 0)
        return -1;
    if (flags & HAS_OLD) {
        old_key = take_counted(r);
        old_row = take_counted(r);
    }
    new_key = old_key;
    if (flags & HAS_NEW) {
        if (!(flags & HAS_OLD) || (flags & KEY_MOVED))
            new_key = take_counted(r);
        new_row = take_counted(r);
    }
    if (r->failed)
        return -1;
    change_set_add(s, s->tables[table], old_key.data, old_key.len, old_row.data,
        old_row.len, new_key.data, new_key.len, new_row.data, new_row.len);
    return 0;
}

int
change_set_decode(struct change_set *s, const void *data, size_t len,
    struct err *e)
{
    struct reader r = reader_over(data, len);
    uint64_t count;

    if (decode_tables(s, &r) != 0)
        goto malformed;
    count = reader_varint(&r);
    for (uint64_t i = 0; i < count; i++)
        if (decode_change(s, &r) != 0)
            goto malformed;
    if (!reader_done(&r))
        goto malformed;
    return 0;
malformed:
    change_set_release(s);
    return err_set(e, ERR_CORRUPT, "malformed set of changes");
}

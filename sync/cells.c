/*
 * A cursor over a table's b-tree.  Every number comes from a file that others
 * write: each is checked, and whatever is not as it should be ends the walk, so
 * that SQLite looks at the table instead.
 */
#include "sync/cells.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define LEVELS_MAX 20
/* SQLite's own limit on a record. */
#define RECORD_MAX 0x7fffffff
#define LEAF 0x0d
#define INTERIOR 0x05

/* An interior page on the way down. */
struct level {
    uint8_t *data;
    uint32_t count; /* of cells; the right child is one more */
    uint32_t next;  /* child to go down next */
};

struct cells {
    struct pages *pages;
    uint32_t size, usable;
    uint32_t left; /* pages that a table can have still */
    struct level levels[LEVELS_MAX];
    int depth; /* interior pages in use */
    uint8_t *leaf;
    uint32_t count, at; /* cells of the leaf */
    struct cell now;
    uint8_t *scratch; /* for overflow pages */
    bool began, failed, ended;
};

static uint32_t
get_u16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t
get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

/* SQLite's varint: at most nine bytes, the ninth whole. */
static const uint8_t *
get_varint(const uint8_t *p, const uint8_t *end, uint64_t *v)
{
    uint64_t x = 0;

    for (int i = 0; i < 9 && p < end; i++) {
        uint8_t byte = *p++;

        if (i == 8) {
            *v = x << 8 | byte;
            return p;
        }
        x = x << 7 | (byte & 0x7f);
        if ((byte & 0x80) == 0) {
            *v = x;
            return p;
        }
    }
    return NULL;
}

static bool
fail(struct cells *c)
{
    c->failed = c->ended = true;
    return false;
}

/* Takes PAGE as the next level down, or as the leaf. */
static bool
enter(struct cells *c, uint32_t page)
{
    uint8_t *data;
    uint32_t count;

    if (c->depth == LEVELS_MAX)
        return fail(c);
    if (c->levels[c->depth].data == NULL)
        c->levels[c->depth].data = alloc_bytes(c->size);
    data = c->levels[c->depth].data;
    /* Page 1 begins with the file's header, and is never a table of ours. */
    if (page < 2 || c->left == 0 || !pages_read(c->pages, page, data))
        return fail(c);
    c->left--;
    count = get_u16(data + 3);
    if (data[0] == INTERIOR && 12 + 2 * count <= c->usable) {
        c->levels[c->depth].count = count;
        c->levels[c->depth++].next = 0;
        return true;
    }
    if (data[0] != LEAF || 8 + 2 * count > c->usable)
        return fail(c);
    c->levels[c->depth].data = c->leaf;
    c->leaf = data;
    c->count = count;
    c->at = 0;
    return true;
}

static bool
child_of(struct cells *c, struct level *l, uint32_t *page)
{
    uint32_t offset;

    if (l->next == l->count) {
        *page = get_u32(l->data + 8);
        return true;
    }
    offset = get_u16(l->data + 12 + 2 * l->next);
    if (offset + 4 > c->usable)
        return fail(c);
    *page = get_u32(l->data + offset);
    return true;
}

/* How much of a record of LEN bytes stands in the leaf. */
static uint32_t
local_len(const struct cells *c, uint64_t len)
{
    uint32_t most = c->usable - 35;
    uint32_t least = (c->usable - 12) * 32 / 255 - 23;
    uint64_t k;

    if (len <= most)
        return (uint32_t)len;
    k = least + (len - least) % (c->usable - 4);
    return k <= most ? (uint32_t)k : least;
}

static bool
get_at(struct cells *c, uint32_t at, struct cell *cell)
{
    const uint8_t *end = c->leaf + c->usable;
    const uint8_t *p = c->leaf + get_u16(c->leaf + 8 + 2 * at);
    uint64_t rowid;

    if (p >= end || (p = get_varint(p, end, &cell->len)) == NULL ||
        (p = get_varint(p, end, &rowid)) == NULL)
        return fail(c);
    if (cell->len > RECORD_MAX)
        return fail(c);
    cell->rowid = (int64_t)rowid;
    cell->local = p;
    cell->local_len = local_len(c, cell->len);
    cell->overflow = 0;
    if (cell->local_len == cell->len)
        return cell->local_len <= (size_t)(end - p) ? true : fail(c);
    if (cell->local_len + 4 > (size_t)(end - p))
        return fail(c);
    cell->overflow = get_u32(p + cell->local_len);
    return true;
}

/* Rowids grow from row to row: a walk that comes back to where it was ends. */
static void
arrive(struct cells *c)
{
    int64_t before = c->now.rowid;

    if (!c->ended && get_at(c, c->at, &c->now) && c->began &&
        c->now.rowid <= before)
        fail(c);
    c->began = true;
}

/* To the first row of the next leaf; the cursor ends after the last. */
static void
next_leaf(struct cells *c)
{
    c->count = c->at = 0;
    do {
        uint32_t page;

        while (c->depth > 0 &&
               c->levels[c->depth - 1].next > c->levels[c->depth - 1].count)
            c->depth--;
        if (c->depth == 0) {
            c->ended = true;
            return;
        }
        if (!child_of(c, &c->levels[c->depth - 1], &page))
            return;
        c->levels[c->depth - 1].next++;
        if (!enter(c, page))
            return;
    } while (c->count == 0);
    arrive(c);
}

struct cells *
cells_open(struct pages *pages, uint32_t root_page)
{
    struct cells *c = alloc_zeroed(1, sizeof(*c));

    c->pages = pages;
    c->size = pages_size(pages);
    c->usable = pages_usable(pages);
    c->left = pages_count(pages);
    c->leaf = alloc_bytes(c->size);
    c->scratch = alloc_bytes(c->size);
    if (!enter(c, root_page))
        return c;
    if (c->count == 0)
        next_leaf(c);
    else
        arrive(c);
    return c;
}

void
cells_close(struct cells *c)
{
    if (c == NULL)
        return;
    for (int i = 0; i < LEVELS_MAX; i++)
        free(c->levels[i].data);
    free(c->leaf);
    free(c->scratch);
    free(c);
}

bool
cells_failed(const struct cells *c)
{
    return c->failed;
}

const struct cell *
cells_get(const struct cells *c)
{
    return c->ended ? NULL : &c->now;
}

void
cells_next(struct cells *c)
{
    if (c->ended)
        return;
    if (++c->at == c->count)
        next_leaf(c);
    else
        arrive(c);
}

bool
cells_skip_same(struct cells *a, struct cells *b)
{
    struct cell cell = { 0 };

    if (a->at != 0 || b->at != 0 || a->ended || b->ended ||
        a->size != b->size || a->count == 0 || a->count != b->count ||
        memcmp(a->leaf, b->leaf, a->usable) != 0)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (!get_at(a, i, &cell) || cell.overflow != 0)
            return false;
    a->now.rowid = b->now.rowid = cell.rowid;
    next_leaf(a);
    next_leaf(b);
    return true;
}

/* What is left of two records, in two chains of overflow pages. */
struct overflow {
    uint32_t a, b; /* the next pages */
    uint64_t left; /* bytes */
};

/* 1 when a part of both is the same; 0 also when a page is not as it should
 * be. */
static int
same_part(struct cells *a, struct cells *b, struct overflow *o)
{
    uint32_t part = a->usable - 4;

    if (part > o->left)
        part = (uint32_t)o->left;
    if (o->a < 2 || !pages_read(a->pages, o->a, a->scratch))
        return fail(a);
    if (o->b < 2 || !pages_read(b->pages, o->b, b->scratch))
        return fail(b);
    o->a = get_u32(a->scratch);
    o->b = get_u32(b->scratch);
    o->left -= part;
    return memcmp(a->scratch + 4, b->scratch + 4, part) == 0;
}

/* Overflow pages between two breaths. */
#define BREATH_PAGES 64

int
cells_same(struct cells *a, struct cells *b,
    int (*breathe)(void *ctx, struct err *e), void *ctx, struct err *e)
{
    const struct cell *x = &a->now, *y = &b->now;
    struct overflow o = { x->overflow, y->overflow, x->len - x->local_len };

    if (x->len != y->len || x->local_len != y->local_len ||
        memcmp(x->local, y->local, x->local_len) != 0)
        return 0;
    for (uint32_t n = 1; o.left > 0; n++) {
        if (!same_part(a, b, &o))
            return 0;
        if (n % BREATH_PAGES == 0 && breathe(ctx, e) != 0)
            return -1;
    }
    return 1;
}

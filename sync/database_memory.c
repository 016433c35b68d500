/*
 * Before each block stands its size, and whether it is a file's: SQLite asks
 * for the size, and gives blocks back without it.
 * https://www.sqlite.org/c3ref/mem_methods.html
 */
#include "sync/database_memory.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/spill.h"

/* A large transaction spills its pages at half of it. */
#define PAGES_KEPT (32 << 20)

/* SQLite needs eight bytes of alignment, which this keeps. */
struct head {
    uint32_t size;
    uint32_t in_file;
};

static struct head *
head_of(void *block)
{
    return (struct head *)block - 1;
}

static void *
take(int size)
{
    size_t whole = sizeof(struct head) + (size_t)size;
    struct head *h = NULL;
    bool in_file = false;

    if (size >= DATABASE_SPILL_FROM) {
        h = spill_alloc(whole);
        in_file = h != NULL;
    }
    if (h == NULL)
        h = malloc(whole);
    if (h == NULL)
        return NULL;
    *h = (struct head){ (uint32_t)size, in_file };
    return h + 1;
}

static void
give(void *block)
{
    struct head *h;

    if (block == NULL)
        return;
    h = head_of(block);
    if (h->in_file)
        spill_free(h, sizeof(*h) + h->size);
    else
        free(h);
}

static void *
move(void *block, int size)
{
    const struct head *h = head_of(block);
    void *moved = take(size);

    if (moved == NULL)
        return NULL;
    memcpy(moved, block, h->size < (uint32_t)size ? h->size : (size_t)size);
    give(block);
    return moved;
}

static void *
resize(void *block, int size)
{
    struct head *h = head_of(block), *resized;

    if (h->in_file || size >= DATABASE_SPILL_FROM)
        return move(block, size);
    resized = realloc(h, sizeof(*h) + (size_t)size);
    if (resized == NULL)
        return NULL;
    resized->size = (uint32_t)size;
    return resized + 1;
}

static int
size_of(void *block)
{
    return block == NULL ? 0 : (int)head_of(block)->size;
}

static int
round_up(int size)
{
    return (size + 7) & ~7;
}

static int
begin(void *data)
{
    (void)data;
    return SQLITE_OK;
}

static void
end(void *data)
{
    (void)data;
}

void
database_bound_memory(void)
{
    static const sqlite3_mem_methods methods = { .xMalloc = take,
        .xFree = give,
        .xRealloc = resize,
        .xSize = size_of,
        .xRoundup = round_up,
        .xInit = begin,
        .xShutdown = end };

    sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
    sqlite3_soft_heap_limit64(PAGES_KEPT);
}

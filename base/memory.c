/*
 * glibc's malloc, told to let go.  By itself it keeps a heap for each thread,
 * and after the first large buffer that is freed it no longer maps those.
 */
#include "base/memory.h"

#include <malloc.h>

#define MAPPED_FROM (1 << 20)
#define KEPT_ON_TOP (4 << 20)
#define HEAPS 2

void
memory_keep_small(void)
{
    mallopt(M_MMAP_THRESHOLD, MAPPED_FROM);
    mallopt(M_TRIM_THRESHOLD, KEPT_ON_TOP);
    mallopt(M_ARENA_MAX, HEAPS);
}

void
memory_give_back(void)
{
    malloc_trim(0);
}

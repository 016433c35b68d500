/*
 * Blocks of memory that lie in files without a name: for the few that may be
 * as large as anything an application stores.  Read and written like any
 * other, but the system can write them out when memory is short, which it
 * cannot do with a heap.
 *
 *     spill_to("/var/lib/lockstep");
 *     p = spill_alloc(500000000);      // NULL: take it from the heap
 *     spill_free(p, 500000000);
 */
#ifndef BASE_SPILL_H
#define BASE_SPILL_H

#include <stddef.h>

/* The folder, which exists, for the rest of the process; on a disk, not in
 * memory.  Nothing is made in it as long as nothing is allocated. */
void spill_to(const char *folder);
/* SIZE zeroed bytes, aligned to a page.  NULL without a folder, and where it
 * has not at least as much free room again, or cannot give it now: no write to
 * the block can fail later.  Safe from any thread. */
void *spill_alloc(size_t size);
void spill_free(void *p, size_t size);

#endif

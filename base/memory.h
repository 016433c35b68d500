/*
 * Keeping a long-running process small: memory that was freed goes back to the
 * system.
 *
 *     memory_keep_small();       once, at the start
 *     ...                        much work
 *     memory_give_back();
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

/* Has large buffers mapped each on its own, and threads share their heaps. */
void memory_keep_small(void);
/* Returns what is free to the system.  Looks at every free page, so it belongs
 * behind work that took long. */
void memory_give_back(void);

#endif

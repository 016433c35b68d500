/*
 * The memory that SQLite takes: bounded for pages, and in files for what must
 * be in one piece however large it is.  A row of a table WITHOUT ROWID, one
 * with a large text, one that is changed in another column: SQLite holds it
 * whole, several times over.
 *
 *     database_bound_memory();        // before anything else of SQLite
 *     spill_to(state_dir);            // base/spill.h
 */
#ifndef SYNC_DATABASE_MEMORY_H
#define SYNC_DATABASE_MEMORY_H

/* From this size on a block lies in a file, if there is a folder for it. */
#define DATABASE_SPILL_FROM (2 << 20)

/* What all connections of a process together may keep of pages in memory; past
 * it they reuse their own.  For the whole process, once; where SQLite is in use
 * already, blocks stay in the heap. */
void database_bound_memory(void);

#endif

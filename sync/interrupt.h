/*
 * Calls of SQLite that no handler of ours can end from inside: a check of a
 * file and a checkpoint (SQLite 3.40 asks the progress handler only between
 * rows).
 */
#ifndef SYNC_INTERRUPT_H
#define SYNC_INTERRUPT_H

#include <sqlite3.h>

/* A call on DB that sqlite3_interrupt can end, on the caller's stack. */
struct interruptible {
    sqlite3 *db;
    struct interruptible *next;
};

void interruptible_begin(struct interruptible *call, sqlite3 *db);
void interruptible_end(struct interruptible *call);
/* From another thread, after stop_request: ends all that run. */
void interruptible_stop_all(void);

#endif

/*
 * Brings what is appended to a file onto the disk, on a thread of its own: at
 * once, but not twice within a second, however much there is.  Nobody waits
 * for it but events_sync_stop (docs/decisions/0019-events-reach-the-disk.md).
 *
 *     events_sync_start(&sync, "DIR/events.jsonl", &e);
 *     append to FD;  events_sync_note(sync, FD);
 *     begin another file;  events_sync_retire(sync, FD);
 *     events_sync_stop(sync);  close(FD);
 */
#ifndef DAEMON_EVENTS_SYNC_H
#define DAEMON_EVENTS_SYNC_H

#include "base/err.h"

struct events_sync;

/* PATH is the file's name, which is synced too, and is said when the disk
 * fails. */
int events_sync_start(struct events_sync **sync, const char *path,
    struct err *e);
/* There is something new in FD, which stays open until it is retired or the
 * thread has stopped.  One thread at a time calls this and the next. */
void events_sync_note(struct events_sync *sync, int fd);
/* No more comes in FD; it is synced if it was noted, then closed. */
void events_sync_retire(struct events_sync *sync, int fd);
/* Returns when all that was noted is on disk, or the disk failed.  Accepts
 * NULL. */
void events_sync_stop(struct events_sync *sync);

#endif

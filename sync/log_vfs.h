/*
 * A VFS for SQLite that writes a transaction's frames to the log together.
 * SQLite writes each page of a commit with two calls, 24 bytes and the page;
 * here they are gathered and written when the frame that commits is there, at
 * the latest every 128 KiB.  A log that has to grow grows by 256 KiB more, so
 * that the next commits are written over zeros, which a sync has less to wait
 * for.  Everything else is the system's own VFS.  What was rolled back is
 * forgotten before the lock on writing is let go: written later, it would stand
 * where somebody else's commit is.
 *
 * Nobody sees the difference: other connections look at frames only once the
 * index names them, which SQLite does after the committing frame was written
 * (and, at synchronous FULL, synced); this connection's own reads come after
 * what was gathered.
 */
#ifndef SYNC_LOG_VFS_H
#define SYNC_LOG_VFS_H

/* The VFS's name for sqlite3_open_v2; registered at the first call, from any
 * thread. */
const char *log_vfs_name(void);

#endif

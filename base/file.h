/*
 * Files of Lockstep's own: written whole and atomically, read whole and
 * bounded, locked.  Never used on a database that SQLite has open.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* Replaces PATH by DATA with MODE: temporary file, fsync, rename, fsync of the
 * folder.  PATH is unchanged on error. */
int file_write_atomic(const char *path, const void *data, size_t len,
    mode_t mode, struct err *e);
/* Reads PATH whole into OUT (cleared first); ERR_INVALID beyond MAX bytes,
 * ERR_NOT_FOUND when there is none. */
int file_read(const char *path, size_t max, struct buf *out, struct err *e);
bool file_exists(const char *path);
/* Removes PATH and syncs its folder; absence is no error. */
int file_remove(const char *path, struct err *e);
/* Removes PATH with all that is below it, not following links; -1 when
 * something stays. */
int file_remove_tree(const char *path);
/* rename() with fsync of the target's folder. */
int file_rename(const char *from, const char *to, struct err *e);
/* Creates the folder PATH with MODE, and its parents; existing is fine. */
int file_make_folder(const char *path, mode_t mode, struct err *e);
int file_sync_folder(const char *path, struct err *e);
/* The folder that PATH is in. */
int file_sync_parent(const char *path, struct err *e);
/* Opens (creating, 0600) and takes an exclusive lock that ends with the
 * process; ERR_BUSY when another process holds it.  Returns a descriptor. */
int file_lock(const char *path, int *fd, struct err *e);
/* Bytes free for this user on the file system of PATH. */
int file_free_bytes(const char *path, uint64_t *bytes, struct err *e);
/* DIR "/" NAME in a fresh string. */
char *file_join(const char *dir, const char *name);
/* Writes all of DATA to FD, blocking; for descriptors of our own. */
int file_write_all(int fd, const void *data, size_t len, struct err *e);

#endif

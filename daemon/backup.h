/*
 * Backup of a node: identity, keys, node store and datasets in one file (0600),
 * an SQLite database:
 *
 *   lockstep_backup(name, value)  format, version, node, time
 *   files(name, size, sha256)     name relative to the state directory
 *   parts(name, part, content)    the bytes, at most BACKUP_PART each
 */
#ifndef DAEMON_BACKUP_H
#define DAEMON_BACKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define BACKUP_PART (4 * 1024 * 1024)

/* One file: NAME as it will be restored, below DIR. */
struct backup_source {
    const char *dir;
    char *name;
};
/* Packs the files that exist into a new backup at PATH, which must not be
 * there. Complete or not at all.  Blocks; *BYTES is its size. */
int backup_pack(const char *path, const char *node_name,
    const struct backup_source *sources, size_t count, uint64_t *bytes,
    struct err *e);

/* Offline: makes STATE_DIR of a backup.  A state directory that exists and is
 * not empty is refused, or moved aside when FORCE.  No daemon may run there.
 * Complete or not at all. */
int backup_restore(const char *path, const char *state_dir, bool force,
    struct err *e);

#endif

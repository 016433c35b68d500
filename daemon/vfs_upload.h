/*
 * Writing /datasets/NAME/snapshot.db on a primary: what arrives is staged, and
 * decided on when the file is closed.
 */
#ifndef DAEMON_VFS_UPLOAD_H
#define DAEMON_VFS_UPLOAD_H

#include "base/err.h"
#include "daemon/vfs_internal.h"

void vfs_upload_open(struct vfs_session *s, struct dataset *ds, uint32_t tag,
    uint32_t flags);

/* On the strand of a source: makes the live database's content that of the
 * SQLite database at PATH (which is changed on the way) and publishes it.
 * Refused with ERR_CORRUPT or ERR_SCHEMA before anything is touched; ERR_HELD
 * when the guards hold the new content back. */
int snapshot_install(struct dataset *ds, const char *path, struct err *e);

#endif

/*
 * The file tree of the admin port, as the engine serves it to sessions: a table
 * of entries, each with the roles that may read and write it.
 */
#ifndef DAEMON_VFS_H
#define DAEMON_VFS_H

#include <stddef.h>
#include <stdint.h>

#include "admin-proto/role.h"
#include "daemon/ipc.h"

struct engine;
struct vfs;
struct vfs_session; /* the open files of one session */

struct vfs *vfs_new(struct engine *engine);
void vfs_free(struct vfs *vfs);

/* REPLY sends one IPC answer (type, tag, body); it may be called later, and
 * never after vfs_session_close.  WHO and ADDRESS are copied. */
struct vfs_session *vfs_session_open(struct vfs *vfs, enum role role,
    const char *who, const char *address,
    void (
        *reply)(void *ctx, uint8_t type, uint32_t tag, const struct buf *body),
    void *ctx);
/* Open files end: an unfinished bundle is dropped, one being applied
 * finishes, a running command goes on without its reader. */
void vfs_session_close(struct vfs_session *session);
/* One request (IPC_OPEN ... IPC_SYNC); false when it is malformed. */
bool vfs_session_request(struct vfs_session *session,
    const struct ipc_message *m);

#endif

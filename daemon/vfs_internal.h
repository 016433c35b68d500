/*
 * Inside the file tree.  vfs.c knows the entries and the sessions; each kind of
 * file is one vfs_*.c with a struct vfs_file_type.
 *
 * Every request is answered exactly once through one of the vfs_reply
 * functions, at once or later; after the session's end they do nothing.
 */
#ifndef DAEMON_VFS_INTERNAL_H
#define DAEMON_VFS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admin-proto/role.h"
#include "admin-proto/sftp_codec.h"
#include "base/buf.h"
#include "base/err.h"
#include "daemon/vfs.h"

struct dataset;
struct engine;
struct control_reply;
struct snapshot_pin;

enum rendering_kind {
    RENDERING_README,
    RENDERING_STATUS,
    RENDERING_SERVERS,
    RENDERING_METRICS,
    RENDERING_COUNT
};

/* A rendered file: counted, shared by the handles that were opened within the
 * same second. */
struct rendering {
    unsigned references;
    struct buf text;
    int64_t made_ms; /* monotonic */
    uint32_t mtime_s;
};

struct vfs {
    struct engine *engine;
    struct rendering *renderings[RENDERING_COUNT];
};

struct vfs_file;

struct vfs_session {
    struct vfs *vfs;
    enum role role;
    char *who;
    char *address;
    void (
        *reply)(void *ctx, uint8_t type, uint32_t tag, const struct buf *body);
    void *ctx;
    bool closed;
    unsigned references; /* itself, its files and answers under way */
    struct vfs_file *files[SFTP_MAX_HANDLES];
    struct control_reply *last_reply; /* vfs_control.c */
    struct snapshot_pin *pin;         /* vfs_snapshot.c */
};

/* What a kind of file does; NULL members refuse (read, write) or succeed
 * (sync). */
struct vfs_file_type {
    void (*read)(struct vfs_file *f, uint32_t tag, uint64_t offset,
        uint32_t length);
    void (*write)(struct vfs_file *f, uint32_t tag, uint64_t offset,
        const void *data, size_t len);
    void (*stat)(struct vfs_file *f, uint32_t tag);
    void (*sync)(struct vfs_file *f, uint32_t tag);
    /* The client closes; answers TAG.  NULL: OK. */
    void (*close)(struct vfs_file *f, uint32_t tag);
    /* The session ended with the file open. */
    void (*abandon)(struct vfs_file *f);
    /* The last reference is gone. */
    void (*release)(struct vfs_file *f);
};

/* The beginning of every kind of file. */
struct vfs_file {
    const struct vfs_file_type *type;
    struct vfs_session *session;
    unsigned references;
    bool readable;
    bool writable;
};

/* One entry of the tree; "*" in a path stands for a dataset's name. */
struct vfs_entry {
    const char *path;
    unsigned readers; /* VFS_VIEWER, ... */
    unsigned writers;
    void (*open)(struct vfs_session *s, struct dataset *ds, uint32_t tag,
        uint32_t flags);
    /* Size and time for STAT and for a folder's listing. */
    void (*stat)(struct vfs_session *s, struct dataset *ds, uint32_t tag);
    void (*attributes)(struct vfs_session *s, struct dataset *ds,
        struct fxp_attrs *attrs);
};

#define VFS_VIEWER (1u << ROLE_VIEWER)
#define VFS_PUSH (1u << ROLE_PUSH)
#define VFS_JOIN (1u << ROLE_JOIN)
#define VFS_ADMIN (1u << ROLE_ADMIN)

void vfs_session_hold(struct vfs_session *s);
void vfs_session_release(struct vfs_session *s);
/* Puts the file, whose one reference is handed over, into the session's table
 * and answers with its handle; releases it when there is no room. */
void vfs_file_install(struct vfs_file *f, uint32_t tag);
/* A new file of SIZE zeroed bytes that begin with a struct vfs_file. */
void *vfs_file_new(size_t size, const struct vfs_file_type *type,
    struct vfs_session *s, uint32_t flags);
void vfs_file_hold(struct vfs_file *f);
void vfs_file_release(struct vfs_file *f);

void vfs_reply_status(struct vfs_session *s, uint32_t tag,
    enum fxp_status status, const char *text);
void vfs_reply_ok(struct vfs_session *s, uint32_t tag);
/* "CODE: message" and the hint as err_format writes them. */
void vfs_reply_error(struct vfs_session *s, uint32_t tag, const struct err *e);
void vfs_reply_data(struct vfs_session *s, uint32_t tag, const void *data,
    size_t len);
/* The slice of TEXT that a READ asks for, or EOF. */
void vfs_reply_slice(struct vfs_session *s, uint32_t tag,
    const struct buf *text, uint64_t offset, uint32_t length);
void vfs_reply_attrs(struct vfs_session *s, uint32_t tag,
    const struct fxp_attrs *attrs);

/* The kinds of file, as the table of entries names them. */
#define VFS_KIND(name)                                                      \
    void vfs_##name##_open(struct vfs_session *s, struct dataset *ds,       \
        uint32_t tag, uint32_t flags);                                      \
    void vfs_##name##_attributes(struct vfs_session *s, struct dataset *ds, \
        struct fxp_attrs *attrs)
VFS_KIND(readme);
VFS_KIND(status);
VFS_KIND(servers);
VFS_KIND(metrics);
VFS_KIND(events);
VFS_KIND(control);
VFS_KIND(snapshot);
VFS_KIND(push);
void vfs_snapshot_stat(struct vfs_session *s, struct dataset *ds, uint32_t tag);

void rendering_release(struct rendering *r);
void control_session_end(struct vfs_session *s);
void snapshot_session_end(struct vfs_session *s);

#endif

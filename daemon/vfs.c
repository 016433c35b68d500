/*
 * The tree: which entry a path names, who may open it, and the table of open
 * files of each session.
 */
#include "daemon/vfs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "daemon/datasets.h"
#include "daemon/engine.h"
#include "daemon/ipc_messages.h"
#include "daemon/vfs_internal.h"

#define EVERYBODY (VFS_VIEWER | VFS_PUSH | VFS_ADMIN)

static const struct vfs_entry entries[] = {
    { "/README.txt", EVERYBODY, 0, vfs_readme_open, NULL,
        vfs_readme_attributes },
    { "/status.json", EVERYBODY, 0, vfs_status_open, NULL,
        vfs_status_attributes },
    { "/servers.json", VFS_VIEWER | VFS_ADMIN, 0, vfs_servers_open, NULL,
        vfs_servers_attributes },
    { "/metrics.prom", VFS_VIEWER | VFS_ADMIN, 0, vfs_metrics_open, NULL,
        vfs_metrics_attributes },
    { "/events.jsonl", EVERYBODY, 0, vfs_events_open, NULL,
        vfs_events_attributes },
    { "/control", EVERYBODY | VFS_JOIN, EVERYBODY | VFS_JOIN, vfs_control_open,
        NULL, vfs_control_attributes },
    { "/datasets", EVERYBODY, 0, NULL, NULL, NULL },
    { "/datasets/*", EVERYBODY, 0, NULL, NULL, NULL },
    { "/datasets/*/snapshot.db", VFS_ADMIN, VFS_ADMIN, vfs_snapshot_open,
        vfs_snapshot_stat, vfs_snapshot_attributes },
    { "/datasets/*/push", VFS_PUSH | VFS_ADMIN, VFS_PUSH | VFS_ADMIN,
        vfs_push_open, NULL, vfs_push_attributes },
};

#define ENTRY_COUNT (sizeof(entries) / sizeof(entries[0]))
#define LIST_MAX 1024

struct vfs *
vfs_new(struct engine *engine)
{
    struct vfs *vfs = alloc_zeroed(1, sizeof(*vfs));

    vfs->engine = engine;
    return vfs;
}

void
vfs_free(struct vfs *vfs)
{
    size_t i;

    if (vfs == NULL)
        return;
    for (i = 0; i < RENDERING_COUNT; i++)
        rendering_release(vfs->renderings[i]);
    free(vfs);
}

struct vfs_session *
vfs_session_open(struct vfs *vfs, enum role role, const char *who,
    const char *address,
    void (
        *reply)(void *ctx, uint8_t type, uint32_t tag, const struct buf *body),
    void *ctx)
{
    struct vfs_session *s = alloc_zeroed(1, sizeof(*s));

    s->vfs = vfs;
    s->role = role;
    s->who = alloc_string(who);
    s->address = alloc_string(address);
    s->reply = reply;
    s->ctx = ctx;
    s->references = 1;
    return s;
}

void
vfs_session_hold(struct vfs_session *s)
{
    s->references++;
}

void
vfs_session_release(struct vfs_session *s)
{
    if (--s->references > 0)
        return;
    free(s->who);
    free(s->address);
    free(s);
}

void
vfs_session_close(struct vfs_session *s)
{
    size_t i;

    if (s == NULL)
        return;
    s->closed = true;
    for (i = 0; i < SFTP_MAX_HANDLES; i++) {
        struct vfs_file *f = s->files[i];

        if (f == NULL)
            continue;
        s->files[i] = NULL;
        if (f->type->abandon != NULL)
            f->type->abandon(f);
        vfs_file_release(f);
    }
    control_session_end(s);
    snapshot_session_end(s);
    vfs_session_release(s);
}

void *
vfs_file_new(size_t size, const struct vfs_file_type *type,
    struct vfs_session *s, uint32_t flags)
{
    struct vfs_file *f = alloc_zeroed(1, size);

    f->type = type;
    f->session = s;
    f->references = 1;
    f->writable = (flags & (SFTP_OPEN_WRITE | SFTP_OPEN_APPEND)) != 0;
    f->readable = (flags & SFTP_OPEN_READ) != 0 || !f->writable;
    s->references++;
    return f;
}

void
vfs_file_hold(struct vfs_file *f)
{
    f->references++;
}

void
vfs_file_release(struct vfs_file *f)
{
    struct vfs_session *s = f->session;

    if (--f->references > 0)
        return;
    if (f->type->release != NULL)
        f->type->release(f);
    free(f);
    vfs_session_release(s);
}

void
vfs_file_install(struct vfs_file *f, uint32_t tag)
{
    struct vfs_session *s = f->session;
    struct buf body = BUF_INIT;
    uint32_t i;

    for (i = 0; i < SFTP_MAX_HANDLES && s->files[i] != NULL; i++)
        ;
    if (s->closed || i == SFTP_MAX_HANDLES) {
        vfs_reply_status(s, tag, SFTP_FAILURE, "too many open files");
        if (f->type->abandon != NULL)
            f->type->abandon(f);
        vfs_file_release(f);
        return;
    }
    s->files[i] = f;
    buf_put_u32(&body, i);
    s->reply(s->ctx, IPC_HANDLE, tag, &body);
    buf_release(&body);
}

/* Whether PATH is PATTERN, with the dataset that stands for "*". */
static bool
matches(const struct vfs *vfs, const char *pattern, const char *path,
    struct dataset **ds)
{
    const char *star = strchr(pattern, '*');
    size_t before;
    size_t len;
    char name[64];

    *ds = NULL;
    if (star == NULL)
        return strcmp(pattern, path) == 0;
    before = (size_t)(star - pattern);
    if (strncmp(pattern, path, before) != 0)
        return false;
    len = strcspn(path + before, "/");
    if (len == 0 || len >= sizeof(name) ||
        strcmp(star + 1, path + before + len) != 0)
        return false;
    memcpy(name, path + before, len);
    name[len] = '\0';
    *ds = datasets_find(vfs->engine->datasets, name);
    return *ds != NULL;
}

static const struct vfs_entry *
find(const struct vfs *vfs, const char *path, struct dataset **ds)
{
    size_t i;

    for (i = 0; i < ENTRY_COUNT; i++) {
        if (matches(vfs, entries[i].path, path, ds))
            return &entries[i];
    }
    return NULL;
}

static bool
is_folder(const char *path, const struct vfs_entry *entry)
{
    return strcmp(path, "/") == 0 || (entry != NULL && entry->open == NULL);
}

static bool
may(const struct vfs_session *s, unsigned roles)
{
    return (roles & (1u << s->role)) != 0;
}

static void
deny(struct vfs_session *s, uint32_t tag)
{
    struct err e = ERR_INIT;

    err_set(&e, ERR_PERMISSION, "the role %s does not allow that",
        role_name(s->role));
    vfs_reply_error(s, tag, &e);
}

static void
not_found(struct vfs_session *s, uint32_t tag)
{
    vfs_reply_status(s, tag, SFTP_NO_SUCH_FILE, "no such file");
}

static void
attributes(struct vfs_session *s, const struct vfs_entry *entry,
    struct dataset *ds, struct fxp_attrs *attrs)
{
    memset(attrs, 0, sizeof(*attrs));
    attrs->mtime_s = (uint32_t)(clock_utc_ms() / 1000);
    if (entry == NULL || entry->open == NULL) {
        attrs->mode = S_IFDIR | 0500;
        return;
    }
    attrs->mode = S_IFREG;
    if (may(s, entry->readers))
        attrs->mode |= 0400;
    if (may(s, entry->writers))
        attrs->mode |= 0200;
    entry->attributes(s, ds, attrs);
}

/* The primary pushes a dataset that is not in use here: its administrator is
 * the one who reads this. */
static bool
refuse_push(struct vfs_session *s, uint32_t tag, const char *path)
{
    static const char before[] = "/datasets/";
    struct err e = ERR_INIT;
    char name[64];
    size_t len;

    if (strncmp(path, before, sizeof(before) - 1) != 0 ||
        (s->role != ROLE_PUSH && s->role != ROLE_ADMIN))
        return false;
    path += sizeof(before) - 1;
    len = strcspn(path, "/");
    if (len >= sizeof(name) || strcmp(path + len, "/push") != 0)
        return false;
    memcpy(name, path, len);
    name[len] = '\0';
    if (!settings_name_ok(name))
        return false;
    dataset_not_here(s->vfs->engine, name, &e);
    vfs_reply_error(s, tag, &e);
    return true;
}

static void
request_open(struct vfs_session *s, uint32_t tag, const char *path,
    uint32_t flags)
{
    bool write = (flags & (SFTP_OPEN_WRITE | SFTP_OPEN_APPEND)) != 0;
    bool read = (flags & SFTP_OPEN_READ) != 0 || !write;
    const struct vfs_entry *entry;
    struct dataset *ds;

    entry = find(s->vfs, path, &ds);
    if (is_folder(path, entry)) {
        vfs_reply_status(s, tag, SFTP_FAILURE, "is a folder");
    } else if (entry == NULL) {
        if ((flags & SFTP_OPEN_CREATE) != 0)
            vfs_reply_status(s, tag, SFTP_PERMISSION_DENIED,
                "PERMISSION: nothing can be created here");
        else if (!refuse_push(s, tag, path))
            not_found(s, tag);
    } else if ((read && !may(s, entry->readers)) ||
               (write && !may(s, entry->writers))) {
        deny(s, tag);
    } else if ((flags & SFTP_OPEN_EXCLUSIVE) != 0) {
        vfs_reply_status(s, tag, SFTP_FAILURE, "the file exists");
    } else {
        entry->open(s, ds, tag, flags);
    }
}

static void
request_stat(struct vfs_session *s, uint32_t tag, const char *path)
{
    const struct vfs_entry *entry;
    struct fxp_attrs attrs;
    struct dataset *ds;

    entry = find(s->vfs, path, &ds);
    if (entry == NULL && strcmp(path, "/") != 0) {
        not_found(s, tag);
    } else if (entry != NULL && entry->stat != NULL && may(s, entry->readers)) {
        entry->stat(s, ds, tag);
    } else {
        attributes(s, entry, ds, &attrs);
        vfs_reply_attrs(s, tag, &attrs);
    }
}

/* The name of an entry, or of the dataset that it is about, when it is a child
 * of the folder PATH. */
static const char *
child_name(const char *path, const char *child)
{
    size_t len = strcmp(path, "/") == 0 ? 0 : strlen(path);

    if (strncmp(path, child, len) != 0 || child[len] != '/')
        return NULL;
    child += len + 1;
    return *child != '\0' && strchr(child, '/') == NULL ? child : NULL;
}

static void
put_listed(struct vfs_session *s, struct buf *body, uint32_t *count,
    const struct vfs_entry *entry, struct dataset *ds, const char *name)
{
    struct fxp_attrs attrs;

    if (!may(s, entry->readers | entry->writers) || *count >= LIST_MAX)
        return;
    attributes(s, entry, ds, &attrs);
    buf_put_string(body, name);
    buf_put_u64(body, attrs.size);
    buf_put_u32(body, attrs.mode);
    buf_put_u32(body, attrs.mtime_s);
    ++*count;
}

static void
request_list(struct vfs_session *s, uint32_t tag, const char *path)
{
    struct datasets *all = s->vfs->engine->datasets;
    const struct vfs_entry *folder;
    struct buf body = BUF_INIT;
    struct dataset *ds;
    uint32_t count = 0;
    size_t i;
    size_t k;

    folder = find(s->vfs, path, &ds);
    if (!is_folder(path, folder)) {
        if (folder == NULL)
            not_found(s, tag);
        else
            vfs_reply_status(s, tag, SFTP_FAILURE, "is no folder");
        return;
    }
    buf_put_u32(&body, 0);
    for (i = 0; i < ENTRY_COUNT; i++) {
        const char *name =
            child_name(ds != NULL ? folder->path : path, entries[i].path);

        if (name == NULL)
            continue;
        if (strcmp(name, "*") != 0) {
            put_listed(s, &body, &count, &entries[i], ds, name);
            continue;
        }
        for (k = 0; k < datasets_count(all); k++)
            put_listed(s, &body, &count, &entries[i], datasets_at(all, k),
                datasets_at(all, k)->name);
    }
    buf_set_u32(&body, 0, count);
    if (!s->closed)
        s->reply(s->ctx, IPC_LIST, tag, &body);
    buf_release(&body);
}

/* Programs set times and modes after writing: harmless where one may write. */
static void
request_setstat(struct vfs_session *s, uint32_t tag, const char *path)
{
    const struct vfs_entry *entry;
    struct dataset *ds;

    entry = find(s->vfs, path, &ds);
    if (entry == NULL)
        not_found(s, tag);
    else if (!may(s, entry->writers))
        deny(s, tag);
    else
        vfs_reply_ok(s, tag);
}

static bool
take_path_request(struct vfs_session *s, const struct ipc_message *m)
{
    struct reader r = reader_over(m->body, m->body_len);
    char *path = reader_string(&r, SFTP_PATH_MAX);
    uint32_t flags = m->type == IPC_OPEN ? reader_u32(&r) : 0;
    bool ok = path != NULL && reader_done(&r);

    if (!ok) {
        free(path);
        return false;
    }
    switch (m->type) {
    case IPC_OPEN:
        request_open(s, m->tag, path, flags);
        break;
    case IPC_STAT:
        request_stat(s, m->tag, path);
        break;
    case IPC_READ_FOLDER:
        request_list(s, m->tag, path);
        break;
    default:
        request_setstat(s, m->tag, path);
        break;
    }
    free(path);
    return true;
}

static void
file_read(struct vfs_file *f, uint32_t tag, struct reader *r)
{
    uint64_t offset = reader_u64(r);
    uint32_t length = reader_u32(r);

    if (!f->readable || f->type->read == NULL) {
        deny(f->session, tag);
        return;
    }
    if (length > SFTP_DATA_MAX)
        length = SFTP_DATA_MAX;
    f->type->read(f, tag, offset, length);
}

static void
file_write(struct vfs_file *f, uint32_t tag, struct reader *r)
{
    uint64_t offset = reader_u64(r);
    size_t len = reader_left(r);

    if (!f->writable || f->type->write == NULL)
        deny(f->session, tag);
    else
        f->type->write(f, tag, offset, reader_take(r, len), len);
}

static void
file_close(struct vfs_session *s, uint32_t number, uint32_t tag)
{
    struct vfs_file *f = s->files[number];

    s->files[number] = NULL;
    if (f->type->close != NULL)
        f->type->close(f, tag);
    else
        vfs_reply_ok(s, tag);
    vfs_file_release(f);
}

static bool
take_file_request(struct vfs_session *s, const struct ipc_message *m)
{
    static const size_t sizes[] = { [IPC_CLOSE] = 4,
        [IPC_READ] = 16,
        [IPC_WRITE] = 12,
        [IPC_FSTAT] = 4,
        [IPC_SYNC] = 4 };
    struct reader r = reader_over(m->body, m->body_len);
    uint32_t number = reader_u32(&r);
    struct vfs_file *f;

    if (m->body_len < sizes[m->type] ||
        (m->body_len > sizes[m->type] && m->type != IPC_WRITE))
        return false;
    f = number < SFTP_MAX_HANDLES ? s->files[number] : NULL;
    if (f == NULL) {
        vfs_reply_status(s, m->tag, SFTP_FAILURE, "no such handle");
        return true;
    }
    switch (m->type) {
    case IPC_CLOSE:
        file_close(s, number, m->tag);
        break;
    case IPC_READ:
        file_read(f, m->tag, &r);
        break;
    case IPC_WRITE:
        file_write(f, m->tag, &r);
        break;
    case IPC_FSTAT:
        f->type->stat(f, m->tag);
        break;
    default:
        if (f->type->sync != NULL)
            f->type->sync(f, m->tag);
        else
            vfs_reply_ok(s, m->tag);
        break;
    }
    return true;
}

bool
vfs_session_request(struct vfs_session *s, const struct ipc_message *m)
{
    switch (m->type) {
    case IPC_OPEN:
    case IPC_STAT:
    case IPC_READ_FOLDER:
    case IPC_SETSTAT:
        return take_path_request(s, m);
    case IPC_CLOSE:
    case IPC_READ:
    case IPC_WRITE:
    case IPC_FSTAT:
    case IPC_SYNC:
        return take_file_request(s, m);
    default:
        return false;
    }
}

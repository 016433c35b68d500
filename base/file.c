/*
 * Files of Lockstep's own: atomic replacement, bounded reading, locks.  After
 * every change of a name its folder is synced, since a rename that is not
 * durable is undone by a power cut.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"

#define READ_STEP 65536

char *
file_join(const char *dir, const char *name)
{
    size_t len = strlen(dir);
    bool slash = len > 0 && dir[len - 1] == '/';

    return alloc_format("%s%s%s", dir, slash ? "" : "/", name);
}

/* The folder that PATH is in, in a fresh string; a slash at the end of PATH
 * does not count. */
static char *
parent_folder(const char *path)
{
    size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/')
        len--;
    while (len > 0 && path[len - 1] != '/')
        len--;
    if (len == 0)
        return alloc_string(".");
    while (len > 1 && path[len - 1] == '/')
        len--;
    return alloc_copy(path, len);
}

int
file_sync_parent(const char *path, struct err *e)
{
    char *folder = parent_folder(path);
    int r = file_sync_folder(folder, e);

    free(folder);
    return r;
}

int
file_sync_folder(const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = 0;

    if (fd < 0)
        return err_set_errno(e, ERR_IO, errno, "could not open folder \"%s\"",
            path);
    if (fsync(fd) != 0)
        r = err_set_errno(e, ERR_IO, errno, "could not sync folder \"%s\"",
            path);
    close(fd);
    return r;
}

int
file_write_all(int fd, const void *data, size_t len, struct err *e)
{
    const uint8_t *p = data;

    while (len > 0) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && errno == EAGAIN) {
            struct pollfd wait = { .fd = fd, .events = POLLOUT };

            (void)poll(&wait, 1, -1);
        } else if (n < 0 && errno != EINTR) {
            return err_set_errno(e, ERR_IO, errno, "could not write");
        } else if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

/* Fills the fresh file FD; durable on success. */
static int
fill_file(int fd, const void *data, size_t len, mode_t mode, struct err *e)
{
    if (file_write_all(fd, data, len, e) != 0)
        return -1;
    if (fchmod(fd, mode) != 0)
        return err_set_errno(e, ERR_IO, errno, "could not set the mode");
    if (fsync(fd) != 0)
        return err_set_errno(e, ERR_IO, errno, "could not sync");
    return 0;
}

int
file_write_atomic(const char *path, const void *data, size_t len, mode_t mode,
    struct err *e)
{
    /* A name of its own: two processes that write PATH at once must not fill
     * one temporary file.  One that a crash left behind is never read. */
    char *temporary = alloc_format("%s.tmp-XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    int r = -1;

    if (fd < 0) {
        err_set_errno(e, ERR_IO, errno, "could not create a file beside \"%s\"",
            path);
        goto out;
    }
    if (fill_file(fd, data, len, mode, e) != 0) {
        err_wrap(e, "\"%s\"", path);
        goto out;
    }
    if (rename(temporary, path) != 0) {
        err_set_errno(e, ERR_IO, errno, "could not replace \"%s\"", path);
        goto out;
    }
    close(fd);
    fd = -1;
    r = file_sync_parent(path, e);
out:
    if (fd >= 0) {
        unlink(temporary);
        close(fd);
    }
    free(temporary);
    return r;
}

int
file_read(const char *path, size_t max, struct buf *out, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int r = -1;

    buf_clear(out);
    if (fd < 0)
        return err_set_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
            "could not open \"%s\"", path);
    for (;;) {
        size_t room =
            max - out->len < READ_STEP ? max - out->len + 1 : READ_STEP;
        ssize_t n = read(fd, buf_reserve(out, room), room);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            err_set_errno(e, ERR_IO, errno, "could not read \"%s\"", path);
            break;
        }
        if ((size_t)n > max - out->len) {
            err_set(e, ERR_INVALID, "\"%s\" is larger than %zu bytes", path,
                max);
            break;
        }
        if (n == 0) {
            r = 0;
            break;
        }
        out->len += (size_t)n;
    }
    if (r != 0)
        buf_clear(out);
    close(fd);
    return r;
}

bool
file_exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

int
file_remove(const char *path, struct err *e)
{
    if (unlink(path) != 0) {
        if (errno == ENOENT)
            return 0;
        return err_set_errno(e, ERR_IO, errno, "could not remove \"%s\"", path);
    }
    return file_sync_parent(path, e);
}

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    (void)remove(path); /* what can be removed goes, whatever stays */
    return 0;
}

int
file_remove_tree(const char *path)
{
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return file_exists(path) ? -1 : 0;
}

int
file_rename(const char *from, const char *to, struct err *e)
{
    if (rename(from, to) != 0)
        return err_set_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
            "could not rename \"%s\" to \"%s\"", from, to);
    return file_sync_parent(to, e);
}

static bool
folder_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int
file_make_folder(const char *path, mode_t mode, struct err *e)
{
    char *parent;
    int r;

    if (folder_exists(path))
        return 0;
    /* Parents stay passable: only the folder itself is asked to be private. */
    parent = parent_folder(path);
    r = folder_exists(parent) ? 0 : file_make_folder(parent, 0755, e);
    free(parent);
    if (r != 0)
        return -1;
    if (mkdir(path, mode) != 0) {
        if (errno == EEXIST && folder_exists(path))
            return 0;
        return err_set_errno(e, ERR_IO, errno, "could not create folder \"%s\"",
            path);
    }
    return file_sync_parent(path, e);
}

int
file_lock(const char *path, int *fd, struct err *e)
{
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    *fd = -1;
    if (lock < 0)
        return err_set_errno(e, ERR_IO, errno, "could not open \"%s\"", path);
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            err_set(e, ERR_BUSY, "\"%s\" is locked by another process", path);
        else
            err_set_errno(e, ERR_IO, errno, "could not lock \"%s\"", path);
        close(lock);
        return -1;
    }
    *fd = lock;
    return 0;
}

int
file_free_bytes(const char *path, uint64_t *bytes, struct err *e)
{
    struct statvfs st;

    if (statvfs(path, &st) != 0)
        return err_set_errno(e, ERR_IO, errno,
            "could not ask for the free space of \"%s\"", path);
    *bytes = (uint64_t)st.f_bavail * st.f_frsize;
    return 0;
}

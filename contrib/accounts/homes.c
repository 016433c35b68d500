/*
 * Goes down from the root folder by folder, by descriptor and never through a
 * link, so that what was looked at is what is used.
 */
#include "contrib/accounts/homes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

#define NEW_NAME ".lockstep-new"
/* Of the homes that cannot be made so many are named. */
#define TOLD_MAX 20
#define OPEN_FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* From where on down PATH may be made: its allowed root, with it. */
static size_t
may_make_from(const char *path, char *const *roots)
{
    for (; *roots != NULL; roots++) {
        size_t len = strlen(*roots);

        if (strncmp(path, *roots, len) == 0 && path[len] == '/')
            return len;
    }
    return strlen(path) + 1;
}

/* As sshd wants each part of a ChrootDirectory. */
static int
check_safe(int fd, const char *path, struct err *e)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return err_set_errno(e, ERR_IO, errno, "could not look at \"%s\"",
            path);
    if (st.st_uid == geteuid() && (st.st_mode & 022) == 0)
        return 0;
    err_set(e, ERR_PERMISSION, "\"%s\" is not root's alone", path);
    err_hint(e, "Make it owned by root and writable by nobody else; sshd "
                "takes no other folder as chroot.");
    return -1;
}

/* Opens folder NAME (PATH in full) within PARENT; a descriptor or -1. */
static int
open_step(int parent, const char *name, const char *path, bool may_make,
    bool *made, struct err *e)
{
    int fd = openat(parent, name, OPEN_FOLDER);

    if (fd < 0 && errno == ENOENT && may_make) {
        if (mkdirat(parent, name, 0755) != 0 && errno != EEXIST)
            return err_set_errno(e, ERR_IO, errno, "could not make \"%s\"",
                path);
        *made = true;
        fd = openat(parent, name, OPEN_FOLDER);
        if (fd >= 0 && fchmod(fd, 0755) != 0) {
            close(fd);
            return err_set_errno(e, ERR_IO, errno, "could not open \"%s\"",
                path);
        }
    }
    if (fd < 0)
        return err_set_errno(e, ERR_PERMISSION, errno,
            "could not open folder \"%s\"", path);
    if (check_safe(fd, path, e) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Opens the folder HOME, making it below its root; a descriptor or -1. */
static int
open_home(const char *home, size_t make_from, bool *made, struct err *e)
{
    char *path = alloc_string(home);
    int fd = open("/", OPEN_FOLDER);
    char *name = path + 1;

    while (fd >= 0 && name != NULL && *name != '\0') {
        char *slash = strchr(name, '/');
        int below;

        if (slash != NULL)
            *slash = '\0';
        below = open_step(fd, name, path, strlen(path) >= make_from, made, e);
        close(fd);
        fd = below;
        if (slash != NULL)
            *slash = '/';
        name = slash != NULL ? slash + 1 : NULL;
    }
    free(path);
    return fd;
}

/* Makes the user's own folder within HOME: complete or not there. */
static int
make_own(int home, const struct account *a, const struct policy *policy,
    bool *made, struct err *e)
{
    struct stat st;
    int fd = -1, r = -1;

    if (fstatat(home, policy->folder, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (!S_ISDIR(st.st_mode) || (st.st_uid != a->uid && st.st_uid != 0))
            return err_set(e, ERR_PERMISSION,
                "\"%s/%s\" is not a folder of uid %lu", a->home, policy->folder,
                (unsigned long)a->uid);
        return 0;
    }
    if (mkdirat(home, NEW_NAME, 0700) != 0 && errno != EEXIST)
        goto out;
    fd = openat(home, NEW_NAME, OPEN_FOLDER);
    if (fd < 0 || fchmod(fd, 0750) != 0 || fchown(fd, a->uid, a->gid) != 0 ||
        renameat(home, NEW_NAME, home, policy->folder) != 0)
        goto out;
    *made = true;
    r = 0;
out:
    if (r != 0)
        err_set_errno(e, ERR_IO, errno, "could not make \"%s/%s\"", a->home,
            policy->folder);
    if (fd >= 0)
        close(fd);
    return r;
}

static int
make_home(const struct account *a, const struct policy *policy, bool *made,
    struct err *e)
{
    int fd =
        open_home(a->home, may_make_from(a->home, policy->home_roots), made, e);
    int r = 0;

    if (fd < 0)
        return -1;
    if (policy->folder[0] != '\0')
        r = make_own(fd, a, policy, made, e);
    close(fd);
    return r;
}

bool
homes_make(struct homes *homes, const struct account *a)
{
    struct err why = ERR_INIT;

    if (make_home(a, homes->policy, &homes->made, &why) == 0)
        return true;
    if (homes->failed++ < TOLD_MAX)
        fprintf(stderr, "user \"%s\" cannot log in: %s\n", a->name,
            why.message);
    return false;
}

int
homes_finish(const struct homes *homes, struct err *e)
{
    if (homes->failed > TOLD_MAX)
        fprintf(stderr, "and %zu more\n", homes->failed - TOLD_MAX);
    for (char **root = homes->policy->home_roots; homes->made && *root != NULL;
         root++) {
        int fd = open(*root, OPEN_FOLDER);
        int r = fd < 0 ? 0 : syncfs(fd);

        if (r != 0)
            err_set_errno(e, ERR_IO, errno, "could not sync \"%s\"", *root);
        if (fd >= 0)
            close(fd);
        if (r != 0)
            return -1;
    }
    return 0;
}

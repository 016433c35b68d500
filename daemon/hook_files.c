/*
 * What may be run is judged by everything that stands between "/" and the
 * file: whoever may write to a folder can put another file in its place.
 */
#include "daemon/hook_files.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

static bool
is_hook_name(const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len >= HOOK_NAME_SIZE || name[0] == '-')
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];

        if (c >= 0x80 || (!isalnum(c) && c != '-' && c != '_'))
            return false;
    }
    return true;
}

static bool
is_executable(int folder_fd, const char *name)
{
    struct stat st;

    return fstatat(folder_fd, name, &st, 0) == 0 && S_ISREG(st.st_mode) &&
           (st.st_mode & S_IXUSR) != 0;
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

int
hook_names_read(struct hook_names *list, const char *folder, struct err *e)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    int r = 0;

    list->count = 0;
    if (dir == NULL) {
        if (errno == ENOENT)
            return 0;
        return err_set_errno(e, ERR_IO, errno, "could not read \"%s\"", folder);
    }
    while (r == 0 && (entry = readdir(dir)) != NULL) {
        if (!is_hook_name(entry->d_name) ||
            !is_executable(dirfd(dir), entry->d_name))
            continue;
        if (list->count == HOOKS_MAX)
            r = err_set(e, ERR_INVALID, "\"%s\" has more than %d hooks", folder,
                HOOKS_MAX);
        else
            memcpy(list->names[list->count++], entry->d_name,
                strlen(entry->d_name) + 1);
    }
    closedir(dir);
    qsort(list->names, list->count, sizeof(list->names[0]), compare_names);
    return r;
}

static int
check_one(const char *path, struct err *e)
{
    const mode_t others = S_IWGRP | S_IWOTH;
    struct stat st;

    if (lstat(path, &st) != 0)
        return err_set_errno(e, ERR_PERMISSION, errno,
            "could not look at \"%s\"", path);
    if (st.st_uid != 0 && st.st_uid != geteuid()) {
        err_set(e, ERR_PERMISSION, "\"%s\" belongs to user %u", path,
            (unsigned)st.st_uid);
        err_hint(e, "Look who put it there; \"chown root\" makes it root's.");
        return -1;
    }
    /* Nobody renames another's file in a folder like /tmp. */
    if (S_ISLNK(st.st_mode) ||
        (S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX) != 0) ||
        (st.st_mode & others) == 0)
        return 0;
    err_set(e, ERR_PERMISSION, "\"%s\" can be written by others", path);
    err_hint(e, "Look what is in it; \"chmod go-w\" closes it.");
    return -1;
}

/* PATH, absolute, and each folder above it, from "/" on. */
static int
check_way(const char *path, struct err *e)
{
    char part[PATH_MAX];
    size_t len = strlen(path);

    if (len >= sizeof(part))
        return err_set(e, ERR_INVALID, "the path of a hook is too long");
    if (check_one("/", e) != 0)
        return -1;
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (check_one(part, e) != 0)
            return -1;
    }
    return 0;
}

static int
real_path(const char *path, char **real, struct err *e)
{
    *real = realpath(path, NULL);
    if (*real == NULL)
        return err_set_errno(e, ERR_IO, errno, "could not find \"%s\"", path);
    return 0;
}

int
hook_check(const char *folder, const char *name, char **path, struct err *e)
{
    char *entry = file_join(folder, name);
    char *real_folder = NULL, *real = NULL;
    int r = -1;

    *path = NULL;
    if (real_path(folder, &real_folder, e) != 0 ||
        real_path(entry, &real, e) != 0 || check_way(real_folder, e) != 0 ||
        check_one(entry, e) != 0 || check_way(real, e) != 0)
        goto out;
    *path = real;
    real = NULL;
    r = 0;
out:
    free(real);
    free(real_folder);
    free(entry);
    return r;
}

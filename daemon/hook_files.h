/*
 * The programs of a hook folder: which there are, and whether nobody but their
 * owner can have put them there (docs/hooks.md).
 */
#ifndef DAEMON_HOOK_FILES_H
#define DAEMON_HOOK_FILES_H

#include <stddef.h>

#include "base/err.h"

#define HOOKS_MAX 64
#define HOOK_NAME_SIZE 64

struct hook_names {
    char names[HOOKS_MAX][HOOK_NAME_SIZE];
    size_t count;
};

/* Executables of FOLDER whose names are those of hooks, in order of their
 * bytes.  No folder is an empty one; more than HOOKS_MAX are ERR_INVALID. */
int hook_names_read(struct hook_names *list, const char *folder, struct err *e);
/* The real path of a hook, that may be run: it and each folder above it and
 * above FOLDER's entry belong to root or to us and can be written by their
 * owner only.  *PATH is the caller's to free; ERR_PERMISSION names the file or
 * folder that breaks the rule. */
int hook_check(const char *folder, const char *name, char **path,
    struct err *e);

#endif

/*
 * By the names that backup.c, vfs_snapshot.c, vfs_upload.c and base/file.c
 * give.
 */
#include "daemon/leftovers.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"

#define ATOMIC "*.tmp-??????"

static const char *const of_node[] = { "backup-staging-*", ATOMIC, NULL };
static const char *const of_keys[] = { ATOMIC, NULL };
static const char *const of_dataset[] = { "snapshot-*", "upload-*", ATOMIC,
    NULL };

static bool
matches_one(const char *name, const char *const *patterns)
{
    for (; *patterns != NULL; patterns++)
        if (fnmatch(*patterns, name, 0) == 0)
            return true;
    return false;
}

static void
remove_in(const char *folder, const char *const *patterns)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char *path;

        if (!matches_one(entry->d_name, patterns))
            continue;
        path = file_join(folder, entry->d_name);
        if (file_remove_tree(path) != 0)
            log_warning("could not remove \"%s\"", path);
        free(path);
    }
    if (dir != NULL)
        closedir(dir);
}

static void
remove_of_datasets(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char *dataset;

        if (entry->d_name[0] == '.')
            continue;
        dataset = file_join(folder, entry->d_name);
        remove_in(dataset, of_dataset);
        free(dataset);
    }
    if (dir != NULL)
        closedir(dir);
}

void
leftovers_remove(const char *state_dir)
{
    char *keys = file_join(state_dir, "keys");
    char *datasets = file_join(state_dir, "datasets");

    remove_in(state_dir, of_node);
    remove_in(keys, of_keys);
    remove_of_datasets(datasets);
    free(datasets);
    free(keys);
}

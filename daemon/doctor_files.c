/*
 * "doctor" about files: the state directory, its secrets, the databases' files
 * and the room on their disks.  Files of datasets are only asked about, never
 * opened: closing one would drop SQLite's locks.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "daemon/datasets.h"
#include "daemon/doctor_check.h"
#include "daemon/engine.h"

/* Less than this is too little to overwrite anything. */
#define DISK_LEAST ((uint64_t)64 * 1024 * 1024)

/* Nobody but the daemon's user may read these. */
static const char *const secrets[] = { "keys/host_key", "keys/login_key",
    "keys/bundle_key", "local-admin-key", "initial-admin-password", "node.db",
    "admins.db" };

static void
check_state_dir(const struct engine *engine, json_t *checks)
{
    const char *dir = engine->settings.state_dir;
    bool ok = access(dir, R_OK | W_OK | X_OK) == 0;
    char text[512];

    snprintf(text, sizeof(text), "\"%s\" %s", dir,
        ok ? "is ours to write" : "cannot be written");
    doctor_add(checks, "state directory", ok, text,
        ok ? NULL
           : "Give it to the user that lockstepd runs as, with mode 0700.");
}

static bool
is_private(const char *path, char *why, size_t size)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        snprintf(why, size, "\"%s\": %s", path, strerror(errno));
        return errno == ENOENT;
    }
    snprintf(why, size, "\"%s\" has mode %04o and belongs to user %u", path,
        (unsigned)(st.st_mode & 07777), (unsigned)st.st_uid);
    return (st.st_mode & 077) == 0 && st.st_uid == geteuid();
}

static void
check_secrets(const struct engine *engine, json_t *checks)
{
    char why[512];
    bool ok = true;

    for (size_t i = 0; ok && i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        char *path = file_join(engine->settings.state_dir, secrets[i]);

        ok = is_private(path, why, sizeof(why));
        free(path);
    }
    doctor_add(checks, "permissions", ok,
        ok ? "keys and passwords are the daemon's alone" : why,
        ok ? NULL
           : "Give it to the user that lockstepd runs as, with mode 0600; "
             "if others could read a key, change that key.");
}

static void
check_disk(const char *name, const char *dir, json_t *checks)
{
    struct err e = ERR_INIT;
    uint64_t bytes = 0;
    char text[600];
    bool ok;

    ok = file_free_bytes(dir, &bytes, &e) == 0;
    if (ok)
        snprintf(text, sizeof(text), "%llu MiB free",
            (unsigned long long)(bytes >> 20));
    else
        snprintf(text, sizeof(text), "%s", e.message);
    ok = ok && bytes >= DISK_LEAST;
    doctor_add(checks, name, ok, text,
        ok ? NULL : "Make room on that file system.");
}

/* SQLite makes its files beside the database, so the folder counts too. */
static void
check_path(const struct dataset *ds, json_t *checks)
{
    char *dir = alloc_string(ds->live_path);
    char name[96], text[600];
    char *slash;
    struct stat st;
    bool ok = false;

    slash = strrchr(dir, '/');
    slash[slash == dir] = '\0'; /* the path is absolute */
    snprintf(name, sizeof(name), "file of %s", ds->name);
    if (stat(ds->live_path, &st) != 0)
        snprintf(text, sizeof(text), "\"%s\": %s", ds->live_path,
            strerror(errno));
    else if (!S_ISREG(st.st_mode))
        snprintf(text, sizeof(text), "\"%s\" is no plain file", ds->live_path);
    else if (access(ds->live_path, R_OK | W_OK) != 0 ||
             access(dir, W_OK | X_OK) != 0)
        snprintf(text, sizeof(text),
            "\"%s\" or its folder is not ours to "
            "write",
            ds->live_path);
    else
        ok = snprintf(text, sizeof(text), "\"%s\"", ds->live_path) > 0;
    doctor_add(checks, name, ok, text,
        ok ? NULL
           : "Put the file back, or give file and folder to the user that "
             "lockstepd runs as.");
    if (!dataset_is_built_in(ds)) {
        snprintf(name, sizeof(name), "disk of %s", ds->name);
        check_disk(name, dir, checks);
    }
    free(dir);
}

void
doctor_check_files(const struct engine *engine, json_t *checks)
{
    check_state_dir(engine, checks);
    check_secrets(engine, checks);
    check_disk("disk", engine->settings.state_dir, checks);
    for (size_t i = 0; i < datasets_count(engine->datasets); i++)
        check_path(datasets_at(engine->datasets, i), checks);
}

/*
 * Whether a file that another program made can be a dataset here: all checks in
 * one place, each with what to do about it.  What only shows when the file is
 * published (or received) is told by sync/.
 *
 * The file is looked at through SQLite only: see sync/source_live.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "daemon/datasets_internal.h"
#include "daemon/engine.h"
#include "sync/blocker.h"
#include "sync/open.h"
#include "sync/replica_statements.h"
#include "sync/schema.h"

#define WAIT_MS 2000
#define ATTACHED "attached"
#define PATH_BYTES_MAX 8192

/* What is known of a file before SQLite sees it. */
struct look {
    struct dataset *ds;
    bool writes; /* we have to write to it */
    bool exists;
    char *folder;
};

static void
user_name(char *name, size_t size)
{
    const struct passwd *user = getpwuid(geteuid());

    if (user != NULL)
        snprintf(name, size, "%s", user->pw_name);
    else
        snprintf(name, size, "%ld", (long)geteuid());
}

static int
no_permission(const struct look *l, const char *path, const char *doing,
    struct err *e)
{
    char user[64];

    user_name(user, sizeof(user));
    err_set(e, ERR_PERMISSION, "user \"%s\" may not %s \"%s\"", user, doing,
        path);
    err_hint(e,
        "Run \"setfacl -m u:%s:%s %s\" and \"setfacl -m u:%s:rwx %s\", where "
        "SQLite keeps its journals; or put that user into the group of both "
        "and let the group write.",
        user, l->writes ? "rw" : "r", l->ds->live_path, user, l->folder);
    return -1;
}

static int
check_folder(const struct look *l, struct err *e)
{
    struct stat st;

    if (stat(l->folder, &st) != 0 || !S_ISDIR(st.st_mode)) {
        if (errno == EACCES)
            return no_permission(l, l->folder, "enter", e);
        err_set(e, ERR_NOT_FOUND, "there is no folder \"%s\"", l->folder);
        err_hint(e, "Create it, or correct \"path\" in the configuration.");
        return -1;
    }
    if (l->writes &&
        faccessat(AT_FDCWD, l->folder, W_OK | X_OK, AT_EACCESS) != 0)
        return no_permission(l, l->folder, "make files in", e);
    return 0;
}

static int
check_entry(struct look *l, struct err *e)
{
    const char *path = l->ds->live_path;
    struct stat st;

    if (check_folder(l, e) != 0)
        return -1;
    l->exists = stat(path, &st) == 0;
    if (!l->exists)
        return errno == ENOENT ? 0
                               : err_set_errno(e, ERR_IO, errno,
                                     "could not look at \"%s\"", path);
    if (!S_ISREG(st.st_mode)) {
        err_set(e, ERR_INVALID, "\"%s\" is no file", path);
        err_hint(e, "Name the database file itself as \"path\".");
        return -1;
    }
    if (faccessat(AT_FDCWD, path, l->writes ? R_OK | W_OK : R_OK, AT_EACCESS) !=
        0)
        return no_permission(l, path, l->writes ? "read and write" : "read", e);
    return 0;
}

/* On a primary: the application makes its database, never we. */
static int
check_exists(const struct look *l, struct err *e)
{
    if (l->exists || l->ds->private->role.role == NODE_SECONDARY)
        return 0;
    err_set(e, ERR_NOT_FOUND, "there is no file \"%s\"", l->ds->live_path);
    err_hint(e, "Start the program that makes it, or correct \"path\" in the "
                "configuration; Lockstep looks again at every interval.");
    return -1;
}

/* What an unreadable file may be, by the result of reading its schema. */
static int
cannot_read(const struct look *l, sqlite3 *db, struct err *e)
{
    const char *path = l->ds->live_path;

    switch (sqlite3_errcode(db) & 0xff) {
    case SQLITE_NOTADB:
        err_set(e, ERR_INVALID, "\"%s\" is no SQLite database, or encrypted",
            path);
        err_hint(e, "SQLCipher and other encrypted databases cannot be "
                    "replicated; correct \"path\" if the file is another.");
        break;
    case SQLITE_BUSY:
        blocker_explain(path, e);
        break;
    default:
        database_error(db, e, "could not read the schema");
        err_hint(e, "\"sqlite3 FILE 'PRAGMA integrity_check'\" tells more.");
        break;
    }
    return -1;
}

static int
check_content(const struct look *l, struct err *e)
{
    struct schema *schema = NULL;
    sqlite3 *db = NULL;
    int r = -1;

    if (database_open(&db, l->ds->live_path, OPEN_READ, WAIT_MS, e) != 0)
        goto out;
    if (sqlite3_exec(db, "SELECT 1 FROM main.sqlite_schema", NULL, NULL,
            NULL) != SQLITE_OK) {
        cannot_read(l, db, e);
        goto out;
    }
    /* What a secondary holds is replaced, whatever its tables are like. */
    if (l->ds->private->role.role == NODE_SECONDARY) {
        r = schema_check_encoding(db, e);
        goto out;
    }
    if (database_suspend_rules(db, e) != 0 ||
        schema_load_selected(&schema, db, l->ds->config.selection, e) != 0)
        goto out;
    if (schema->conflict != NULL) {
        err_set(e, ERR_INVALID, "%s", schema->conflict);
        err_hint(e, "Correct \"protect\", \"protect_rows\" or \"exclude\" in "
                    "the configuration, then reload lockstepd (SIGHUP).");
        goto out;
    }
    database_allow_shadows(db, schema->has_shadows);
    r = row_tables_check(db, schema, e);
out:
    schema_free(schema);
    database_close(db);
    return r;
}

/* Whether this file was opened as this dataset before. */
static bool
was_attached(const struct dataset *ds)
{
    char *note = file_join(ds->work_dir, ATTACHED);
    struct buf text = BUF_INIT;
    struct err e = ERR_INIT;
    bool same = file_exists(note) &&
                file_read(note, PATH_BYTES_MAX, &text, &e) == 0 &&
                text.len == strlen(ds->live_path) &&
                memcmp(text.data, ds->live_path, text.len) == 0;

    buf_release(&text);
    free(note);
    return same;
}

int
dataset_note_attached(const struct dataset *ds, struct err *e)
{
    char *note;
    int r;

    if (was_attached(ds))
        return 0;
    note = file_join(ds->work_dir, ATTACHED);
    r = file_write_atomic(note, ds->live_path, strlen(ds->live_path), 0600, e);
    free(note);
    return r;
}

int
dataset_check_file(struct dataset *ds, struct err *e)
{
    bool secondary = ds->private->role.role == NODE_SECONDARY;
    char *path = alloc_string(ds->live_path);
    struct look l = { .ds = ds,
        .writes = secondary || ds->config.capture == CAPTURE_TRIGGERS,
        .folder = dirname(path) };
    int r = check_entry(&l, e);

    if (r == 0 && !was_attached(ds)) {
        r = check_exists(&l, e);
        if (r == 0 && l.exists)
            r = check_content(&l, e);
    }
    free(path);
    return r;
}

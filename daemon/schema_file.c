/*
 * New database files.  SQLite would create them readable by all and filled
 * step by step, so the file is made by us, filled beside its place, and gets
 * its name when everything in it is durable.
 */
#include "daemon/schema_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "sync/open.h"

#define HEADER_SQL                          \
    "PRAGMA application_id = 0x4c4f434b;\n" \
    "PRAGMA user_version = 1;\n"

/* What an earlier start that died here left behind. */
static int
remove_leftovers(const char *path, struct err *e)
{
    static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof(suffixes) / sizeof(suffixes[0]);
         i++) {
        char *name = alloc_format("%s%s", path, suffixes[i]);

        r = file_remove(name, e);
        free(name);
    }
    return r;
}

static int
create_empty(const char *path, struct err *e)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd == -1)
        return err_set_errno(e, ERR_IO, errno, "could not create \"%s\"", path);
    close(fd);
    return 0;
}

static int
fill(const char *path, const char *const *parts, struct err *e)
{
    sqlite3 *db = NULL;
    bool complete = false;
    int r = -1;

    if (database_open(&db, path, OPEN_CREATE, 0, e) != 0)
        goto out;
    if (database_exec(db, "BEGIN IMMEDIATE", e) != 0 ||
        database_exec(db, HEADER_SQL, e) != 0)
        goto out;
    for (; *parts != NULL; parts++)
        if (database_exec(db, *parts, e) != 0)
            goto out;
    if (database_exec(db, "COMMIT", e) != 0)
        goto out;
    /* The WAL does not move along with the name: all of it must be in the
     * file, and there synced, before the rename. */
    if (database_checkpoint(db, SQLITE_CHECKPOINT_TRUNCATE, &complete, e) != 0)
        goto out;
    if (!complete) {
        err_set(e, ERR_BUSY, "could not checkpoint \"%s\"", path);
        goto out;
    }
    r = 0;
out:
    database_close(db);
    return r;
}

int
schema_file_create(const char *path, const char *const *parts, struct err *e)
{
    char *temporary = alloc_format("%s.new", path);
    int r = -1;

    if (file_exists(path)) {
        err_set(e, ERR_EXISTS, "\"%s\" exists already", path);
        goto out;
    }
    if (remove_leftovers(temporary, e) != 0 ||
        create_empty(temporary, e) != 0 || fill(temporary, parts, e) != 0)
        goto out;
    r = file_rename(temporary, path, e);
out:
    if (r != 0 && e->code != ERR_EXISTS) {
        struct err ignored = ERR_INIT;

        remove_leftovers(temporary, &ignored);
    }
    free(temporary);
    return r;
}

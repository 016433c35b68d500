/*
 * The traces that a source or a replica leaves in a live database, removed
 * while neither is open.
 */
#include "sync/detach.h"

#include <errno.h>
#include <sys/stat.h>

#include "sync/capture.h"
#include "sync/open.h"
#include "sync/state.h"

#define WAIT_MS 5000

static int
has_traces(const char *path, bool *has, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3 *db = NULL;
    int r = -1;
    int rc;

    *has = false;
    if (database_open(&db, path, OPEN_READ, WAIT_MS, e) != 0 ||
        database_prepare(db,
            "SELECT 1 FROM main.sqlite_schema"
            " WHERE name LIKE '\\_lockstep\\_%' ESCAPE '\\' LIMIT 1",
            &stmt, e) != 0)
        goto out;
    rc = sqlite3_step(stmt);
    *has = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW || rc == SQLITE_DONE)
        r = 0;
    else
        database_error(db, e, "could not read the schema");
out:
    sqlite3_finalize(stmt);
    database_close(db);
    return r;
}

int
database_detach(const char *path, struct err *e)
{
    sqlite3 *db = NULL;
    struct stat st;
    bool has;
    int r = -1;

    if (stat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (has_traces(path, &has, e) != 0)
        goto out;
    if (!has) {
        r = 0;
        goto out;
    }
    if (database_open(&db, path, OPEN_WRITE, WAIT_MS, e) != 0 ||
        database_exec(db, "BEGIN IMMEDIATE", e) != 0 ||
        capture_remove(db, e) != 0 || state_remove(db, e) != 0)
        goto out;
    r = database_exec(db, "COMMIT", e);
out:
    database_rollback(db);
    database_close(db);
    if (r != 0)
        err_wrap(e, "could not take what is ours out of \"%s\"", path);
    return r;
}

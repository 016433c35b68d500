/*
 * SQLite's backup, in steps.
 */
#include "sync/copy.h"

#include <stdbool.h>

#include "base/stop.h"
#include "sync/open.h"

#define STEP_PAGES 2048

/* Without a transaction of ours SQLite would let go of FROM between the steps,
 * and begin anew whenever somebody wrote. */
static int
begin_read(sqlite3 *from, bool *begun, struct err *e)
{
    *begun = sqlite3_get_autocommit(from) != 0;
    if (!*begun)
        return 0;
    /* Only a read begins it. */
    return database_exec(from,
        "BEGIN; SELECT 1 FROM main.sqlite_schema LIMIT 1", e);
}

static int
copy_steps(sqlite3_backup *backup, struct err *e)
{
    int rc = SQLITE_OK;

    while (rc == SQLITE_OK && stop_check(e) == 0)
        rc = sqlite3_backup_step(backup, STEP_PAGES);
    return rc == SQLITE_DONE ? 0 : -1;
}

int
database_copy(sqlite3 *to, sqlite3 *from, struct err *e)
{
    sqlite3_backup *backup = NULL;
    bool begun = false;
    int r = -1;

    if (begin_read(from, &begun, e) != 0)
        goto out;
    backup = sqlite3_backup_init(to, "main", from, "main");
    if (backup == NULL) {
        database_error(to, e, "could not begin to copy");
        goto out;
    }
    r = copy_steps(backup, e);
    /* What a step failed with comes out here. */
    if ((sqlite3_backup_finish(backup) != SQLITE_OK || r != 0) &&
        e->code == ERR_NONE)
        r = database_error(to, e, "could not copy");
out:
    if (begun)
        database_rollback(from);
    return r;
}

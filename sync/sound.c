/*
 * Damage told apart from rows that break a rule of their own schema.
 */
#include "sync/sound.h"

#include <stdbool.h>
#include <string.h>

#include "base/stop.h"
#include "sync/interrupt.h"
#include "sync/open.h"

/* How quick_check begins its findings about values. */
static const char *const about_values[] = {
    "NULL value in ",
    "NUMERIC value in ",
    "TEXT value in ",
    "non-",
    "CHECK constraint failed in ",
};

static bool
is_about_value(const char *finding)
{
    for (size_t i = 0; i < sizeof(about_values) / sizeof(about_values[0]); i++)
        if (strncmp(finding, about_values[i], strlen(about_values[i])) == 0)
            return true;
    return false;
}

int
database_sound(sqlite3 *db, struct err *e)
{
    struct interruptible call;
    sqlite3_stmt *stmt;
    int rc, r = 0;

    if (stop_check(e) != 0 ||
        database_prepare(db, "PRAGMA main.quick_check(2147483647)", &stmt, e) !=
            0)
        return -1;
    interruptible_begin(&call, db);
    while (r == 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *finding = (const char *)sqlite3_column_text(stmt, 0);

        if (finding == NULL)
            r = err_set(e, ERR_CORRUPT, "its check gives no answer");
        else if (strcmp(finding, "ok") != 0 && !is_about_value(finding))
            r = err_set(e, ERR_CORRUPT, "%.200s", finding);
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = database_error(db, e, "could not check the database");
    interruptible_end(&call);
    sqlite3_finalize(stmt);
    /* Pages that an interrupted check did not come to look unused. */
    if (r != 0)
        stop_check(e);
    return r;
}

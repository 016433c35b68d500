/*
 * What is replicated of the live file: its schema under the selection that the
 * configuration gives, and what is wrong between the two.
 */
#include "sync/source_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/open.h"

static int
table_exists(sqlite3 *db, const char *name, bool *exists, struct err *e)
{
    sqlite3_stmt *stmt;
    int rc;

    if (database_prepare(db,
            "SELECT 1 FROM main.sqlite_schema WHERE type='table'"
            " AND name=?1 COLLATE NOCASE",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    rc = sqlite3_step(stmt);
    *exists = rc == SQLITE_ROW;
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE
               ? 0
               : database_error(db, e, "could not read the schema");
}

/* A table may come later; a name that is wrong never does, and what it should
 * have protected is sent. */
static int
tell_missing(struct source *s, const struct schema *schema, struct err *e)
{
    struct buf names = BUF_INIT;
    size_t len;
    char *missing;

    for (size_t i = 0; i < schema->selection.count; i++) {
        const char *name = schema->selection.tables[i].name;
        bool exists;

        if (table_exists(s->live, name, &exists, e) != 0) {
            buf_release(&names);
            return -1;
        }
        if (!exists)
            buf_printf(&names, "%s\"%.100s\"", names.len > 0 ? ", " : "", name);
    }
    buf_put_u8(&names, 0);
    missing = (char *)buf_steal(&names, &len);
    if (missing[0] != '\0' &&
        (s->missing == NULL || strcmp(s->missing, missing) != 0)) {
        char *text = alloc_format("no table %s to protect or exclude: its name "
                                  "is wrong, or it is not there yet",
            missing);

        source_notice(s, "selection", text);
        free(text);
    }
    free(s->missing);
    s->missing = missing;
    return 0;
}

int
source_load_live(struct source *s, struct schema **schema, struct err *e)
{
    if (schema_load_selected(schema, s->live, s->config.selection, e) != 0)
        return -1;
    if ((*schema)->conflict != NULL) {
        source_hold(s, "%s", (*schema)->conflict);
        source_held_error(s, e);
    } else if (tell_missing(s, *schema, e) == 0) {
        return 0;
    }
    schema_free(*schema);
    *schema = NULL;
    return -1;
}

bool
source_selects_anew(const struct source *s)
{
    return s->schema != NULL &&
           strcmp(s->schema->selection_text, s->config.selection) != 0;
}

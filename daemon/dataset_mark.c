/*
 * What the node store remembers of configured datasets: one value for each that
 * is not plainly in use.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "daemon/datasets_internal.h"
#include "daemon/engine.h"
#include "daemon/store.h"
#include "sync/open.h"

#define PREFIX "dataset."

static const char *const words[] = {
    [DATASET_DETACHED] = "detached",
    [DATASET_CAPTURE_OFF] = "capture off",
};

#define WORD_COUNT (sizeof(words) / sizeof(words[0]))

int
dataset_mark_get(struct engine *engine, const char *name,
    enum dataset_mark *mark, struct err *e)
{
    char *key = alloc_format(PREFIX "%s", name);
    uint8_t *value = NULL;
    size_t len;
    size_t i;
    int r;

    *mark = DATASET_PLAIN;
    r = store_get(engine->node.store, key, &value, &len, e);
    for (i = 0; value != NULL && i < WORD_COUNT; i++) {
        if (words[i] != NULL && strcmp((const char *)value, words[i]) == 0)
            *mark = (enum dataset_mark)i;
    }
    free(value);
    free(key);
    return r;
}

int
dataset_mark_set(struct engine *engine, const char *name,
    enum dataset_mark mark, struct err *e)
{
    char *key = alloc_format(PREFIX "%s", name);
    struct store *store = engine->node.store;
    int r;

    if (mark == DATASET_PLAIN)
        r = store_delete(store, key, e);
    else
        r = store_put(store, key, words[mark], strlen(words[mark]), e);
    free(key);
    return r;
}

/* The names that are marked, one terminated string after another. */
static int
list_marked(struct engine *engine, struct buf *names, struct err *e)
{
    sqlite3 *db = store_database(engine->node.store);
    sqlite3_stmt *stmt = NULL;
    int rc;

    if (database_prepare(db,
            "SELECT substr(name, 9) FROM \"values\""
            " WHERE name GLOB '" PREFIX "*'",
            &stmt, e) != 0)
        return -1;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        buf_put(names, sqlite3_column_text(stmt, 0),
            (size_t)sqlite3_column_bytes(stmt, 0) + 1);
    if (rc != SQLITE_DONE)
        database_error(db, e, "could not read the node store");
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? 0 : -1;
}

int
dataset_marks_forget(struct engine *engine, struct err *e)
{
    struct buf names = BUF_INIT;
    size_t at;
    int r;

    r = list_marked(engine, &names, e);
    for (at = 0; r == 0 && at < names.len;) {
        const char *name = (const char *)names.data + at;

        at += strlen(name) + 1;
        if (settings_find_dataset(&engine->settings, name) == NULL)
            r = dataset_mark_set(engine, name, DATASET_PLAIN, e);
    }
    buf_release(&names);
    return r;
}

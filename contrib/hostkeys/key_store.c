/* Rows come from the primary as they are: nothing of them is believed. */
#include "contrib/hostkeys/key_store.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "sync/open.h"

#define WAIT_MS 10000

static const char schema_sql[] =
    "CREATE TABLE IF NOT EXISTS host_keys ("
    " type TEXT NOT NULL PRIMARY KEY, private_key TEXT NOT NULL) WITHOUT ROWID";

int
key_store_open(sqlite3 **db, const char *path, struct err *e)
{
    return database_open(db, path, OPEN_READ, WAIT_MS, e);
}

int
key_store_make(sqlite3 **db, const char *path, struct err *e)
{
    char *copy = alloc_string(path);
    int r = file_make_folder(dirname(copy), 0700, e);

    free(copy);
    *db = NULL;
    if (r != 0 || database_open(db, path, OPEN_CREATE, WAIT_MS, e) != 0)
        return -1;
    return database_exec(*db, schema_sql, e);
}

int
key_store_put(sqlite3 *db, const struct host_key_type *type, const char *text,
    size_t len, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int r = 0;

    if (database_prepare(db,
            "INSERT INTO host_keys VALUES (?1, ?2) ON CONFLICT (type) DO UPDATE"
            " SET private_key = excluded.private_key",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, type->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, text, (int)len, SQLITE_STATIC);
    if (sqlite3_step(stmt) != SQLITE_DONE)
        r = database_error(db, e, "could not keep the key");
    sqlite3_finalize(stmt);
    return r;
}

/* The first row of STMT, which is on it. */
static int
take_key(sqlite3_stmt *stmt, const struct host_key_type *type, char **text,
    char shown[HOST_KEY_SHOWN], struct err *e)
{
    const char *found = (const char *)sqlite3_column_text(stmt, 0);
    size_t len = (size_t)sqlite3_column_bytes(stmt, 0);

    if (found == NULL || memchr(found, '\0', len) != NULL)
        return err_set(e, ERR_INVALID, "the key of type \"%s\" is no text",
            type->name);
    if (host_key_look(found, len, shown, e) != type)
        return err_set(e, ERR_INVALID, "what is there as \"%s\" is no such key",
            type->name);
    *text = alloc_string(found);
    return 0;
}

int
key_store_get(sqlite3 *db, const struct host_key_type *type, char **text,
    char shown[HOST_KEY_SHOWN], struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc, r = -1;

    *text = NULL;
    if (database_prepare(db,
            "SELECT private_key FROM host_keys WHERE type = ?1", &stmt, e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, type->name, -1, SQLITE_STATIC);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        r = take_key(stmt, type, text, shown, e);
    else if (rc == SQLITE_DONE)
        r = 0;
    else
        database_error(db, e, "could not read the keys");
    sqlite3_finalize(stmt);
    return r;
}

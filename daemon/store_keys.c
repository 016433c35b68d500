/*
 * What node.db keeps about keys and servers: what each was told of ours, and
 * the successor of its host key that it announced.
 */
#include <string.h>

#include "daemon/store.h"
#include "daemon/store_internal.h"
#include "sync/open.h"

/* A column that is empty or exactly LEN bytes; true when it is there. */
static bool
read_bytes(sqlite3_stmt *stmt, int column, void *out, size_t len)
{
    const void *value = sqlite3_column_blob(stmt, column);

    if (value == NULL || (size_t)sqlite3_column_bytes(stmt, column) != len)
        return false;
    memcpy(out, value, len);
    return true;
}

static int
read_row(struct store *store, sqlite3_stmt *stmt, struct server_keys *keys,
    struct err *e)
{
    int rc = sqlite3_step(stmt);

    if (rc == SQLITE_ROW) {
        keys->was_told = read_bytes(stmt, 0, keys->told, HASH_SIZE);
        keys->has_host_next =
            read_bytes(stmt, 1, keys->host_next, ED25519_PUBLIC_SIZE);
        return 0;
    }
    if (rc == SQLITE_DONE)
        return 0;
    return database_error(store->db, e, "could not read the node store");
}

int
store_server_keys_load(struct store *store, int64_t id,
    struct server_keys *keys, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int r = -1;

    memset(keys, 0, sizeof(*keys));
    if (database_prepare(store->db,
            "SELECT told, host_next FROM server_keys WHERE server = ?1", &stmt,
            e) == 0) {
        sqlite3_bind_int64(stmt, 1, id);
        r = read_row(store, stmt, keys, e);
    }
    sqlite3_finalize(stmt);
    return r;
}

int
store_server_keys_save(struct store *store, int64_t id,
    const struct server_keys *keys, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int r = -1;

    if (database_prepare(store->db,
            "INSERT INTO server_keys (server, told, host_next)"
            " VALUES (?1, ?2, ?3) ON CONFLICT (server) DO UPDATE SET"
            " told = excluded.told, host_next = excluded.host_next",
            &stmt, e) != 0)
        goto out;
    sqlite3_bind_int64(stmt, 1, id);
    if (keys->was_told)
        sqlite3_bind_blob(stmt, 2, keys->told, HASH_SIZE, SQLITE_STATIC);
    if (keys->has_host_next)
        sqlite3_bind_blob(stmt, 3, keys->host_next, ED25519_PUBLIC_SIZE,
            SQLITE_STATIC);
    if (sqlite3_step(stmt) != SQLITE_DONE)
        database_error(store->db, e, "could not save a server's keys");
    else
        r = 0;
out:
    sqlite3_finalize(stmt);
    return r;
}

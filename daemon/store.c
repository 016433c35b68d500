/*
 * node.db: its tables, transactions and the small values.  The registry of
 * servers is store_servers.c's.
 */
#include "daemon/store.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "daemon/store_internal.h"
#include "sync/open.h"

#define STORE_VERSION 3
#define STORE_WAIT_MS 2000

static const char schema_sql[] =
    "CREATE TABLE IF NOT EXISTS \"values\" ("
    "  name TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS servers ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  name TEXT NOT NULL UNIQUE COLLATE NOCASE,"
    "  host TEXT NOT NULL, port INTEGER NOT NULL,"
    "  node_id BLOB NOT NULL UNIQUE, host_key BLOB NOT NULL,"
    "  paused INTEGER NOT NULL, interval_ms INTEGER NOT NULL,"
    "  added_ms INTEGER NOT NULL, last_synchronized_ms INTEGER NOT NULL,"
    "  last_verified_ms INTEGER NOT NULL, last_change_ms INTEGER NOT NULL,"
    "  overwrites INTEGER NOT NULL, pushes INTEGER NOT NULL,"
    "  bytes_sent INTEGER NOT NULL, last_address TEXT NOT NULL,"
    "  seen_address TEXT NOT NULL, version TEXT NOT NULL);"
    /* expires: UTC seconds, NULL is never. */
    "CREATE TABLE IF NOT EXISTS filter_rules ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, position INTEGER NOT NULL,"
    "  action TEXT NOT NULL CHECK (action IN ('allow', 'deny')),"
    "  address TEXT NOT NULL,"
    "  scope TEXT NOT NULL DEFAULT 'admin'"
    "    CHECK (scope IN ('admin', 'service', 'both')),"
    "  comment TEXT, expires INTEGER);"
    /* source: an IPv4 address, or the first of an IPv6 /64. */
    "CREATE TABLE IF NOT EXISTS bans ("
    "  source TEXT PRIMARY KEY NOT NULL, since_ms INTEGER NOT NULL,"
    "  until_ms INTEGER NOT NULL, times INTEGER NOT NULL) WITHOUT ROWID;"
    /* told: a hash, host_next: a public key; NULL is none. */
    "CREATE TABLE IF NOT EXISTS server_keys ("
    "  server INTEGER PRIMARY KEY REFERENCES servers (id) ON DELETE CASCADE,"
    "  told BLOB, host_next BLOB);"
    "PRAGMA user_version = 3;";

static int
read_version(sqlite3 *db, int *version, struct err *e)
{
    sqlite3_stmt *stmt = NULL;

    if (database_prepare(db, "PRAGMA user_version", &stmt, e) != 0)
        return -1;
    *version =
        sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int(stmt, 0) : 0;
    sqlite3_finalize(stmt);
    return 0;
}

static int
check_version(int64_t version, struct err *e)
{
    if (version <= STORE_VERSION)
        return 0;
    err_set(e, ERR_VERSION, "node.db was written by a newer lockstepd");
    err_hint(e, "Start the version that made it, or a newer one.");
    return -1;
}

/* Of SQLite's file format: the header's size, and where it has user_version. */
enum { HEADER_SIZE = 100, HEADER_USER_VERSION = 60 };

int
store_check_version(const char *state_dir, struct err *e)
{
    char *path = file_join(state_dir, "node.db");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t header[HEADER_SIZE];
    const uint8_t *v = header + HEADER_USER_VERSION;
    int r = 0;

    if (fd != -1 && pread(fd, header, sizeof(header), 0) == HEADER_SIZE)
        r = check_version((int64_t)v[0] << 24 | v[1] << 16 | v[2] << 8 | v[3],
            e);
    if (fd != -1)
        close(fd);
    if (r != 0)
        err_wrap(e, "\"%s\"", path);
    free(path);
    return r;
}

static int
prepare_schema(struct store *store, struct err *e)
{
    int version;

    if (read_version(store->db, &version, e) != 0 ||
        check_version(version, e) != 0)
        return -1;
    if (version == STORE_VERSION)
        return 0;
    if (store_begin(store, e) != 0)
        return -1;
    if (database_exec(store->db, schema_sql, e) != 0) {
        store_rollback(store);
        return -1;
    }
    return store_commit(store, e);
}

int
store_open(struct store **storep, const char *state_dir, struct err *e)
{
    struct store *store = alloc_zeroed(1, sizeof(*store));
    char *path = file_join(state_dir, "node.db");
    int r = -1;

    *storep = NULL;
    if (database_open(&store->db, path, OPEN_CREATE, STORE_WAIT_MS, e) != 0)
        goto out;
    if (database_exec(store->db,
            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON", e) != 0)
        goto out;
    if (prepare_schema(store, e) != 0)
        goto out;
    *storep = store;
    store = NULL;
    r = 0;
out:
    if (r != 0)
        err_wrap(e, "\"%s\"", path);
    store_close(store);
    free(path);
    return r;
}

void
store_close(struct store *store)
{
    if (store == NULL)
        return;
    database_close(store->db);
    free(store);
}

sqlite3 *
store_database(struct store *store)
{
    return store->db;
}

int
store_begin(struct store *store, struct err *e)
{
    return database_exec(store->db, "BEGIN IMMEDIATE", e);
}

int
store_commit(struct store *store, struct err *e)
{
    if (database_exec(store->db, "COMMIT", e) == 0)
        return 0;
    store_rollback(store);
    return -1;
}

void
store_rollback(struct store *store)
{
    database_rollback(store->db);
}

int
store_get(struct store *store, const char *name, uint8_t **value, size_t *len,
    struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int r = -1;
    int rc;

    *value = NULL;
    *len = 0;
    if (database_prepare(store->db,
            "SELECT value FROM \"values\" WHERE name = ?1", &stmt, e) != 0)
        goto out;
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        *len = (size_t)sqlite3_column_bytes(stmt, 0);
        *value = alloc_copy(sqlite3_column_blob(stmt, 0), *len);
    } else if (rc != SQLITE_DONE) {
        database_error(store->db, e, "could not read the node store");
        goto out;
    }
    r = 0;
out:
    sqlite3_finalize(stmt);
    return r;
}

int
store_put(struct store *store, const char *name, const void *value, size_t len,
    struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int r = -1;

    if (database_prepare(store->db,
            "INSERT INTO \"values\" (name, value) VALUES (?1, ?2)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            &stmt, e) != 0)
        goto out;
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    if (len == 0)
        sqlite3_bind_zeroblob(stmt, 2, 0);
    else
        sqlite3_bind_blob64(stmt, 2, value, len, SQLITE_STATIC);
    if (sqlite3_step(stmt) != SQLITE_DONE) {
        database_error(store->db, e, "could not write the node store");
        goto out;
    }
    r = 0;
out:
    sqlite3_finalize(stmt);
    return r;
}

int
store_delete(struct store *store, const char *name, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int r = -1;

    if (database_prepare(store->db, "DELETE FROM \"values\" WHERE name = ?1",
            &stmt, e) != 0)
        goto out;
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    if (sqlite3_step(stmt) != SQLITE_DONE) {
        database_error(store->db, e, "could not write the node store");
        goto out;
    }
    r = 0;
out:
    sqlite3_finalize(stmt);
    return r;
}

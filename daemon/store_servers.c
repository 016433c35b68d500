/*
 * The registry of servers in node.db.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "daemon/store.h"
#include "daemon/store_internal.h"
#include "sync/open.h"

#define SERVER_COLUMNS                                                     \
    "name, host, port, node_id, host_key, paused, interval_ms, added_ms,"  \
    " last_synchronized_ms, last_verified_ms, last_change_ms, overwrites," \
    " pushes, bytes_sent, last_address, seen_address, version"

static void
copy_text(sqlite3_stmt *stmt, int column, char *out, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);

    snprintf(out, size, "%s", text != NULL ? text : "");
}

static void
read_server(sqlite3_stmt *stmt, struct server_record *s)
{
    const void *id = sqlite3_column_blob(stmt, 4);
    int c = 6;

    memset(s, 0, sizeof(*s));
    s->id = sqlite3_column_int64(stmt, 0);
    copy_text(stmt, 1, s->name, sizeof(s->name));
    copy_text(stmt, 2, s->host, sizeof(s->host));
    s->port = (uint16_t)sqlite3_column_int(stmt, 3);
    if (sqlite3_column_bytes(stmt, 4) == ID_SIZE)
        memcpy(s->node_id, id, ID_SIZE);
    s->host_key_len = (size_t)sqlite3_column_bytes(stmt, 5);
    s->host_key = alloc_copy(sqlite3_column_blob(stmt, 5), s->host_key_len);
    s->paused = sqlite3_column_int(stmt, c++) != 0;
    s->interval_ms = sqlite3_column_int64(stmt, c++);
    s->added_ms = sqlite3_column_int64(stmt, c++);
    s->last_synchronized_ms = sqlite3_column_int64(stmt, c++);
    s->last_verified_ms = sqlite3_column_int64(stmt, c++);
    s->last_change_ms = sqlite3_column_int64(stmt, c++);
    s->overwrites = (uint64_t)sqlite3_column_int64(stmt, c++);
    s->pushes = (uint64_t)sqlite3_column_int64(stmt, c++);
    s->bytes_sent = (uint64_t)sqlite3_column_int64(stmt, c++);
    copy_text(stmt, c++, s->last_address, sizeof(s->last_address));
    copy_text(stmt, c++, s->seen_address, sizeof(s->seen_address));
    copy_text(stmt, c, s->version, sizeof(s->version));
}

static void
bind_server(sqlite3_stmt *stmt, const struct server_record *s)
{
    int p = 1;

    sqlite3_bind_text(stmt, p++, s->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, p++, s->host, -1, SQLITE_STATIC);
    sqlite3_bind_int(stmt, p++, s->port);
    sqlite3_bind_blob(stmt, p++, s->node_id, ID_SIZE, SQLITE_STATIC);
    sqlite3_bind_blob64(stmt, p++,
        s->host_key_len > 0 ? s->host_key : (const void *)"", s->host_key_len,
        SQLITE_STATIC);
    sqlite3_bind_int(stmt, p++, s->paused);
    sqlite3_bind_int64(stmt, p++, s->interval_ms);
    sqlite3_bind_int64(stmt, p++, s->added_ms);
    sqlite3_bind_int64(stmt, p++, s->last_synchronized_ms);
    sqlite3_bind_int64(stmt, p++, s->last_verified_ms);
    sqlite3_bind_int64(stmt, p++, s->last_change_ms);
    sqlite3_bind_int64(stmt, p++, (int64_t)s->overwrites);
    sqlite3_bind_int64(stmt, p++, (int64_t)s->pushes);
    sqlite3_bind_int64(stmt, p++, (int64_t)s->bytes_sent);
    sqlite3_bind_text(stmt, p++, s->last_address, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, p++, s->seen_address, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, p++, s->version, -1, SQLITE_STATIC);
    if (s->id != 0)
        sqlite3_bind_int64(stmt, p, s->id);
}

int
store_servers_load(struct store *store, struct server_record **servers,
    size_t *count, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    struct server_record *list = NULL;
    size_t n = 0;
    int r = -1;
    int rc;

    *servers = NULL;
    *count = 0;
    if (database_prepare(store->db,
            "SELECT id, " SERVER_COLUMNS " FROM servers ORDER BY name", &stmt,
            e) != 0)
        goto out;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        if ((n & (n - 1)) == 0)
            list = alloc_resize(list, n == 0 ? 1 : 2 * n, sizeof(*list));
        read_server(stmt, &list[n++]);
    }
    if (rc != SQLITE_DONE) {
        database_error(store->db, e, "could not read the servers");
        goto out;
    }
    *servers = list;
    *count = n;
    list = NULL;
    r = 0;
out:
    sqlite3_finalize(stmt);
    store_servers_free(list, n);
    return r;
}

void
store_servers_free(struct server_record *servers, size_t count)
{
    size_t i;

    if (servers == NULL)
        return;
    for (i = 0; i < count; i++)
        server_record_release(&servers[i]);
    free(servers);
}

void
server_record_release(struct server_record *server)
{
    free(server->host_key);
    server->host_key = NULL;
    server->host_key_len = 0;
}

int
store_server_save(struct store *store, struct server_record *server,
    struct err *e)
{
    static const char insert_sql[] =
        "INSERT INTO servers (" SERVER_COLUMNS
        ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    static const char update_sql[] =
        "UPDATE servers SET (" SERVER_COLUMNS
        ") = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " WHERE id = ?";
    sqlite3_stmt *stmt = NULL;
    int r = -1;
    int rc;

    if (database_prepare(store->db, server->id == 0 ? insert_sql : update_sql,
            &stmt, e) != 0)
        goto out;
    bind_server(stmt, server);
    rc = sqlite3_step(stmt);
    if ((rc & 0xff) == SQLITE_CONSTRAINT) {
        err_set(e, ERR_EXISTS, "a server \"%s\" is registered already",
            server->name);
        goto out;
    }
    if (rc != SQLITE_DONE) {
        database_error(store->db, e, "could not save the server");
        goto out;
    }
    if (server->id == 0)
        server->id = sqlite3_last_insert_rowid(store->db);
    r = 0;
out:
    sqlite3_finalize(stmt);
    return r;
}

int
store_server_delete(struct store *store, int64_t id, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int r = -1;

    if (database_prepare(store->db, "DELETE FROM servers WHERE id = ?1", &stmt,
            e) != 0)
        goto out;
    sqlite3_bind_int64(stmt, 1, id);
    if (sqlite3_step(stmt) != SQLITE_DONE) {
        database_error(store->db, e, "could not remove the server");
        goto out;
    }
    r = 0;
out:
    sqlite3_finalize(stmt);
    return r;
}

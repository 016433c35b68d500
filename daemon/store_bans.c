/*
 * The bans in node.db: what a restart must not forgive.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "daemon/store.h"
#include "daemon/store_internal.h"
#include "sync/open.h"

int
store_bans_load(struct store *store, struct ban **bans, size_t *count,
    struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    struct err ignored = ERR_INIT;
    struct ban *list = NULL;
    size_t n = 0;
    int rc = SQLITE_ERROR;

    *bans = NULL;
    *count = 0;
    if (database_prepare(store->db,
            "SELECT source, since_ms, until_ms, times FROM bans"
            " ORDER BY since_ms DESC LIMIT ?1",
            &stmt, e) != 0)
        goto out;
    sqlite3_bind_int(stmt, 1, BANS_MAX);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *source = (const char *)sqlite3_column_text(stmt, 0);

        if ((n & (n - 1)) == 0)
            list = alloc_resize(list, n == 0 ? 1 : 2 * n, sizeof(*list));
        if (source == NULL ||
            ip_address_parse(source, &list[n].source, &ignored) != 0)
            continue;
        list[n].since_ms = sqlite3_column_int64(stmt, 1);
        list[n].until_ms = sqlite3_column_int64(stmt, 2);
        list[n].times = sqlite3_column_int64(stmt, 3);
        n++;
    }
    if (rc != SQLITE_DONE)
        database_error(store->db, e, "could not read the bans");
out:
    sqlite3_finalize(stmt);
    if (rc != SQLITE_DONE) {
        free(list);
        return -1;
    }
    *bans = list;
    *count = n;
    return 0;
}

static int
run_once(struct store *store, sqlite3_stmt *stmt, struct err *e)
{
    int r = 0;

    if (sqlite3_step(stmt) != SQLITE_DONE)
        r = database_error(store->db, e, "could not write the bans");
    sqlite3_finalize(stmt);
    return r;
}

int
store_ban_save(struct store *store, const struct ban *ban, struct err *e)
{
    sqlite3_stmt *stmt;
    char source[64];

    ip_address_format(&ban->source, source);
    if (database_prepare(store->db,
            "INSERT OR REPLACE INTO bans (source, since_ms, until_ms, times)"
            " VALUES (?1, ?2, ?3, ?4)",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, source, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(stmt, 2, ban->since_ms);
    sqlite3_bind_int64(stmt, 3, ban->until_ms);
    sqlite3_bind_int64(stmt, 4, ban->times);
    return run_once(store, stmt, e);
}

int
store_ban_delete(struct store *store, const struct ip_address *source,
    struct err *e)
{
    sqlite3_stmt *stmt;
    char text[64];

    ip_address_format(source, text);
    if (database_prepare(store->db, "DELETE FROM bans WHERE source = ?1", &stmt,
            e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, text, -1, SQLITE_TRANSIENT);
    return run_once(store, stmt, e);
}

int
store_bans_prune(struct store *store, int64_t before_ms, struct err *e)
{
    sqlite3_stmt *stmt;

    if (database_prepare(store->db, "DELETE FROM bans WHERE until_ms < ?1",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_int64(stmt, 1, before_ms);
    return run_once(store, stmt, e);
}

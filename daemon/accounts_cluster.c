/*
 * Reading the administrators of the cluster.  The dataset is replicated, so
 * another node wrote it: what is malformed is passed over, and grants nothing.
 */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "daemon/accounts_internal.h"
#include "daemon/datasets.h"
#include "daemon/keys.h"
#include "sync/open.h"

#define ADMINS_MAX 10000
#define KEYS_MAX 64

static bool
read_admin(sqlite3_stmt *stmt, struct admin *admin)
{
    const char *name = (const char *)sqlite3_column_text(stmt, 1);
    const char *role = (const char *)sqlite3_column_text(stmt, 2);
    const char *hash = (const char *)sqlite3_column_text(stmt, 3);
    struct err e = ERR_INIT;

    memset(admin, 0, sizeof(*admin));
    if (name == NULL || role == NULL || role_parse(role, &admin->role, &e) != 0)
        return false;
    if (admin->role != ROLE_ADMIN && admin->role != ROLE_VIEWER)
        return false;
    admin->id = sqlite3_column_int64(stmt, 0);
    admin->name = alloc_string(name);
    admin->password_hash = alloc_string(hash);
    return true;
}

static int
read_admins(sqlite3 *db, struct admin_list *list, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc;

    if (database_prepare(db,
            "SELECT id, name, role, password_hash FROM admins ORDER BY id",
            &stmt, e) != 0)
        return -1;
    while (
        (rc = sqlite3_step(stmt)) == SQLITE_ROW && list->count < ADMINS_MAX) {
        size_t n = list->count;

        if ((n & (n - 1)) == 0)
            list->items = alloc_resize(list->items, n == 0 ? 1 : 2 * n,
                sizeof(list->items[0]));
        if (read_admin(stmt, &list->items[n]))
            list->count++;
    }
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        database_error(db, e, "could not read the administrators");
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : -1;
}

static void
add_key(struct admin_list *list, int64_t admin_id, const char *line)
{
    struct err e = ERR_INIT;
    struct admin *admin = NULL;
    char *comment = NULL;
    uint8_t *blob = NULL;
    size_t len = 0;
    size_t i;

    for (i = 0; i < list->count && admin == NULL; i++) {
        if (list->items[i].id == admin_id)
            admin = &list->items[i];
    }
    if (admin == NULL || line == NULL || admin->key_count >= KEYS_MAX)
        return;
    if (keys_parse_line(line, &blob, &len, &comment, &e) != 0)
        return;
    free(comment);
    admin->keys =
        alloc_resize(admin->keys, admin->key_count + 1, sizeof(admin->keys[0]));
    admin->keys[admin->key_count++] =
        (struct admin_key){ .blob = blob, .len = len };
}

static int
read_keys(sqlite3 *db, struct admin_list *list, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc;

    if (database_prepare(db, "SELECT admin_id, key FROM admin_keys ORDER BY id",
            &stmt, e) != 0)
        return -1;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        add_key(list, sqlite3_column_int64(stmt, 0),
            (const char *)sqlite3_column_text(stmt, 1));
    if (rc != SQLITE_DONE)
        database_error(db, e, "could not read the administrators' keys");
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? 0 : -1;
}

int
admin_list_read(struct dataset *ds, struct admin_list *list, struct err *e)
{
    sqlite3 *db = dataset_reader(ds, e);
    int r = -1;

    if (db == NULL)
        return -1;
    if (database_exec(db, "BEGIN", e) != 0)
        return -1;
    if (read_admins(db, list, e) == 0 && read_keys(db, list, e) == 0)
        r = 0;
    database_rollback(db);
    if (r != 0)
        admin_list_release(list);
    return r;
}

void
admin_list_release(struct admin_list *list)
{
    size_t i;
    size_t k;

    for (i = 0; i < list->count; i++) {
        struct admin *admin = &list->items[i];

        for (k = 0; k < admin->key_count; k++)
            free(admin->keys[k].blob);
        free(admin->keys);
        free(admin->name);
        free(admin->password_hash);
    }
    free(list->items);
    memset(list, 0, sizeof(*list));
}

const struct admin *
admin_list_find(const struct admin_list *list, const char *name)
{
    size_t i;

    for (i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].name, name) == 0)
            return &list->items[i];
    }
    return NULL;
}

/*
 * Each table is compared as a set of rows: those that are there but not wanted
 * are deleted, those that are wanted but not there are inserted.
 */
#include "contrib/proftpd/user_rows.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "contrib/accounts/key.h"
#include "contrib/proftpd/user_file.h"
#include "sync/open.h"

/* crypt(3) gives no such hash. */
#define NO_PASSWORD "!"
#define KEY_LINE 70

static const char wanted_sql[] =
    "PRAGMA temp_store = MEMORY;\n"
    "CREATE TEMP TABLE want_users (name TEXT PRIMARY KEY, password, uid, gid,"
    "  home, shell, expires) WITHOUT ROWID;\n"
    "CREATE TEMP TABLE want_members (member, groupname, gid,"
    "  PRIMARY KEY (member, groupname)) WITHOUT ROWID;\n"
    "CREATE TEMP TABLE want_keys (name, key, PRIMARY KEY (name, key))"
    "  WITHOUT ROWID;\n";

static const char keys_sql[] =
    "SELECT u.name, k.type, k.key FROM users AS u"
    " JOIN user_keys AS k ON k.user_id = u.id"
    " WHERE u.enabled IS 1 AND typeof(u.name) = 'text' ORDER BY u.name, k.id";

/* When row A is row B. */
#define SAME_KEY "a.name = b.name AND a.key = b.key"
#define SAME_MEMBER                                          \
    "a.member = b.member AND a.groupname = b.groupname AND " \
    "a.gid = b.gid"
#define SAME_HOME \
    "a.name = b.name AND a.uid = b.uid AND a.gid = b.gid AND a.home = b.home"
#define SAME_USER                                 \
    SAME_HOME " AND a.password = b.password AND " \
              "a.shell = b.shell AND a.expires = b.expires"

/* What of table ONE is not in table OTHER. */
#define MISSING(one, other, same) \
    one " AS a WHERE NOT EXISTS (SELECT 1 FROM " other " AS b WHERE " same ")"
#define DIFFER(table, same)                                \
    "EXISTS (SELECT 1 FROM " MISSING(table, "want_" table, \
        same) ") OR "                                      \
              "EXISTS (SELECT 1 FROM " MISSING("want_" table, table, same) ")"
#define CHANGE(table, same)                                       \
    {                                                             \
        "DELETE FROM " MISSING(table, "want_" table, same),       \
            "INSERT INTO " table                                  \
            " SELECT * FROM " MISSING("want_" table, table, same) \
    }

/* What is compared, in the order in which it is written: who is removed loses
 * his keys in the same transaction. */
static const struct {
    const char *remove;
    const char *insert;
} changes[] = {
    CHANGE("keys", SAME_KEY),
    CHANGE("members", SAME_MEMBER),
    CHANGE("users", SAME_USER),
};
#define CHANGES (sizeof(changes) / sizeof(changes[0]))

static const char differs_sql[] =
    "SELECT " DIFFER("keys", SAME_KEY) " OR " DIFFER("members",
        SAME_MEMBER) " OR " DIFFER("users", SAME_USER);

static int
bind_text(sqlite3_stmt *stmt, int index, const char *text)
{
    return sqlite3_bind_text(stmt, index, text, -1, SQLITE_TRANSIENT);
}

/* Runs STMT, which gives no rows, and makes it ready for the next. */
static int
run(sqlite3_stmt *stmt, struct err *e)
{
    sqlite3 *db = sqlite3_db_handle(stmt);
    int rc = sqlite3_step(stmt);

    if (rc != SQLITE_DONE)
        database_error(db, e, "could not write the users of ProFTPD");
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? 0 : -1;
}

static int
want_users(sqlite3 *db, const struct people *p, const struct policy *policy,
    struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int r = database_prepare(db,
        "INSERT INTO want_users VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)", &stmt, e);

    for (size_t i = 0; r == 0 && i < p->count; i++) {
        const struct account *a = &p->accounts[i];

        bind_text(stmt, 1, a->name);
        bind_text(stmt, 2, a->hash != NULL ? a->hash : NO_PASSWORD);
        sqlite3_bind_int64(stmt, 3, a->uid);
        sqlite3_bind_int64(stmt, 4, a->gid);
        bind_text(stmt, 5, a->home);
        bind_text(stmt, 6, policy->shell);
        sqlite3_bind_int64(stmt, 7, a->expires_s);
        r = run(stmt, e);
    }
    sqlite3_finalize(stmt);
    return r;
}

static int
want_member(sqlite3_stmt *stmt, const char *group, int64_t gid,
    const char *member, struct err *e)
{
    bind_text(stmt, 2, group);
    sqlite3_bind_int64(stmt, 3, gid);
    bind_text(stmt, 1, member);
    return run(stmt, e);
}

/* One line of people's groups, "NAME:x:GID:MEMBER,...". */
static int
want_group(sqlite3_stmt *stmt, char *line, struct err *e)
{
    char *name = strsep(&line, ":"), *number, *member;
    int64_t gid;
    int r = 0;

    strsep(&line, ":");
    number = strsep(&line, ":");
    if (number == NULL || line == NULL)
        return 0;
    gid = strtoll(number, NULL, 10);
    while (r == 0 && (member = strsep(&line, ",")) != NULL)
        if (member[0] != '\0')
            r = want_member(stmt, name, gid, member, e);
    return r;
}

static int
want_members(sqlite3 *db, const struct people *p, const struct policy *policy,
    struct err *e)
{
    struct buf text = BUF_INIT;
    sqlite3_stmt *stmt = NULL;
    char *rest;
    int r = database_prepare(db,
        "INSERT OR IGNORE INTO want_members VALUES (?1, ?2, ?3)", &stmt, e);

    for (size_t i = 0; r == 0 && i < p->count; i++)
        r = want_member(stmt, policy->marker_group, policy->marker_gid,
            p->accounts[i].name, e);
    buf_put(&text, p->groups.data, p->groups.len);
    buf_put_u8(&text, 0);
    rest = (char *)text.data;
    while (r == 0 && rest != NULL)
        r = want_group(stmt, strsep(&rest, "\n"), e);
    buf_release(&text);
    sqlite3_finalize(stmt);
    return r;
}

/* RFC 4716: lines of at most 72 bytes between two marks. */
static void
put_key(struct buf *out, const char *key)
{
    size_t len = strlen(key);

    buf_clear(out);
    buf_printf(out, "---- BEGIN SSH2 PUBLIC KEY ----\n");
    for (size_t at = 0; at < len; at += KEY_LINE)
        buf_printf(out, "%.*s\n", KEY_LINE, key + at);
    buf_printf(out, "---- END SSH2 PUBLIC KEY ----\n");
}

static int
want_keys(sqlite3 *db, sqlite3 *config, const struct people *p, struct err *e)
{
    sqlite3_stmt *from = NULL, *to = NULL;
    const struct account *a = NULL;
    struct buf text = BUF_INIT;
    size_t count = 0;
    int rc = SQLITE_DONE, r = -1;

    if (database_prepare(config, keys_sql, &from, e) != 0 ||
        database_prepare(db, "INSERT OR IGNORE INTO want_keys VALUES (?1, ?2)",
            &to, e) != 0)
        goto out;
    while ((rc = sqlite3_step(from)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(from, 0);
        const char *type = (const char *)sqlite3_column_text(from, 1);
        const char *key = (const char *)sqlite3_column_text(from, 2);

        if (name == NULL || !key_is_plain(type, key))
            continue;
        if (a == NULL || strcmp(a->name, name) != 0) {
            a = people_find(p, name);
            count = 0;
        }
        if (a == NULL || count++ >= KEYS_MAX)
            continue;
        put_key(&text, key);
        bind_text(to, 1, a->name);
        sqlite3_bind_text(to, 2, (const char *)text.data, (int)text.len,
            SQLITE_TRANSIENT);
        if (run(to, e) != 0)
            goto out;
    }
    r = rc == SQLITE_DONE ? 0
                          : database_error(config, e, "could not read keys");
out:
    buf_release(&text);
    sqlite3_finalize(from);
    sqlite3_finalize(to);
    return r;
}

int
user_rows_want(sqlite3 *db, sqlite3 *config, const struct people *p,
    const struct policy *policy, struct err *e)
{
    database_make_room(db, true);
    if (database_exec(db, wanted_sql, e) == 0 &&
        database_exec(db, "BEGIN", e) == 0 &&
        want_users(db, p, policy, e) == 0 &&
        want_members(db, p, policy, e) == 0 &&
        want_keys(db, config, p, e) == 0 && database_exec(db, "COMMIT", e) == 0)
        return 0;
    database_rollback(db);
    return -1;
}

int
user_rows_ask(sqlite3 *db, bool all, bool (*keep)(void *ctx, const char *name),
    void *ctx, struct err *e)
{
    const char *sql =
        all ? "SELECT name FROM want_users"
            : "SELECT name FROM " MISSING("want_users", "users", SAME_HOME);
    sqlite3_stmt *ask = NULL, *drop = NULL;
    int rc = SQLITE_DONE, r = -1;

    if (database_exec(db,
            "CREATE TEMP TABLE refused (name TEXT PRIMARY KEY) WITHOUT ROWID",
            e) != 0 ||
        database_prepare(db, sql, &ask, e) != 0 ||
        database_prepare(db, "INSERT INTO refused VALUES (?1)", &drop, e) != 0)
        goto out;
    while ((rc = sqlite3_step(ask)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(ask, 0);

        if (keep(ctx, name))
            continue;
        bind_text(drop, 1, name);
        if (run(drop, e) != 0)
            goto out;
    }
    if (rc != SQLITE_DONE) {
        database_error(db, e, "could not compare the users of ProFTPD");
        goto out;
    }
    r = database_exec(db,
        "DELETE FROM want_users WHERE name IN (SELECT name FROM refused);"
        "DELETE FROM want_members WHERE member IN (SELECT name FROM refused);"
        "DELETE FROM want_keys WHERE name IN (SELECT name FROM refused)",
        e);
out:
    sqlite3_finalize(ask);
    sqlite3_finalize(drop);
    return r;
}

static int
is_different(sqlite3 *db, bool *different, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int r = -1;

    if (database_prepare(db, differs_sql, &stmt, e) != 0)
        return -1;
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        *different = sqlite3_column_int(stmt, 0) != 0;
        r = 0;
    } else {
        database_error(db, e, "could not compare the users of ProFTPD");
    }
    sqlite3_finalize(stmt);
    return r;
}

int
user_rows_write(sqlite3 *db, struct err *e)
{
    bool different = false;

    if (is_different(db, &different, e) != 0)
        return -1;
    if (!different)
        return 0;
    if (database_exec(db, "BEGIN IMMEDIATE", e) != 0)
        return -1;
    for (size_t i = 0; i < CHANGES; i++) {
        if (database_exec(db, changes[i].remove, e) != 0)
            goto fail;
        /* The last is "users", and only who is taken away counts. */
        if (i + 1 == CHANGES && sqlite3_changes(db) > 0 &&
            user_file_remember(db, USER_ROWS_REMOVED, "yes", e) != 0)
            goto fail;
        if (database_exec(db, changes[i].insert, e) != 0)
            goto fail;
    }
    if (database_exec(db, "COMMIT", e) == 0)
        return 0;
fail:
    database_rollback(db);
    return -1;
}

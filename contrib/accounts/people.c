/* Reads users and groups of the local database, and judges each. */
#include "contrib/accounts/people.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/escape.h"
#include "contrib/accounts/locals.h"
#include "sync/open.h"

#define WAIT_MS 10000
#define ACCOUNTS_MAX 1000000
/* Of those that are refused so many are named. */
#define TOLD_MAX 20

static const char users_sql[] =
    "SELECT " ACCOUNT_COLUMNS " FROM users AS u WHERE " ACCOUNT_ACTIVE
    " ORDER BY u.id";

static const char groups_sql[] =
    "SELECT g.name, g.gid, g.id, m.user_id FROM groups AS g"
    " LEFT JOIN group_members AS m ON m.group_id = g.id"
    " ORDER BY g.name, g.id, m.user_id";

static void
tell_refusal(struct people *p, const char *what, const unsigned char *name,
    const char *why)
{
    char shown[160];

    if (p->refused++ >= TOLD_MAX)
        return;
    escape_text(name != NULL ? (const char *)name : "",
        name != NULL ? strlen((const char *)name) : 0, shown, sizeof(shown));
    fprintf(stderr, "%s \"%s\" is left out: %s\n", what, shown, why);
}

static int
compare_accounts(const void *a, const void *b)
{
    return strcmp(((const struct account *)a)->name,
        ((const struct account *)b)->name);
}

const struct account *
people_find(const struct people *p, const char *name)
{
    struct account wanted = { .name = "" };

    if (p->count == 0 || strlen(name) > ACCOUNT_NAME_MAX)
        return NULL;
    memcpy(wanted.name, name, strlen(name) + 1);
    return bsearch(&wanted, p->accounts, p->count, sizeof(*p->accounts),
        compare_accounts);
}

static int
compare_ids(const void *a, const void *b)
{
    int64_t x = (*(struct account *const *)a)->id;
    int64_t y = (*(struct account *const *)b)->id;

    return (x > y) - (x < y);
}

const struct account *
people_find_id(const struct people *p, sqlite3_stmt *stmt, int column)
{
    struct account wanted = { .id = sqlite3_column_int64(stmt, column) };
    struct account *key = &wanted, **found = NULL;

    if (sqlite3_column_type(stmt, column) == SQLITE_INTEGER)
        found = bsearch(&key, p->by_id, p->count, sizeof(struct account *),
            compare_ids);
    return found != NULL ? *found : NULL;
}

static void
sort_accounts(struct people *p)
{
    if (p->count > 0)
        qsort(p->accounts, p->count, sizeof(*p->accounts), compare_accounts);
    p->by_id = alloc_zeroed(p->count + 1, sizeof(struct account *));
    for (size_t i = 0; i < p->count; i++)
        p->by_id[i] = &p->accounts[i];
    qsort(p->by_id, p->count, sizeof(*p->by_id), compare_ids);
}

static int
read_users(struct people *p, sqlite3 *db, const struct policy *policy,
    const struct locals *locals, int64_t now_s, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    size_t room = 0;
    int rc, r = -1;

    if (database_prepare(db, users_sql, &stmt, e) != 0)
        return -1;
    sqlite3_bind_int64(stmt, 1, now_s);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *refusal;

        if (p->count == ACCOUNTS_MAX) {
            err_set(e, ERR_INVALID, "more than %d users", ACCOUNTS_MAX);
            goto out;
        }
        if (p->count == room) {
            room = room == 0 ? 256 : 2 * room;
            p->accounts = alloc_resize(p->accounts, room, sizeof(*p->accounts));
        }
        refusal = account_read(&p->accounts[p->count], stmt, policy, locals);
        if (refusal == NULL) {
            p->count++;
            continue;
        }
        account_release(&p->accounts[p->count]);
        tell_refusal(p, "user", sqlite3_column_text(stmt, 0), refusal);
    }
    if (rc != SQLITE_DONE) {
        database_error(db, e, "could not read the users");
        goto out;
    }
    sort_accounts(p);
    r = 0;
out:
    sqlite3_finalize(stmt);
    return r;
}

/* NULL, or why a row of groups_sql begins no group of this host. */
static const char *
group_refusal(sqlite3_stmt *stmt, const struct policy *policy,
    const struct locals *locals)
{
    const char *name = (const char *)sqlite3_column_text(stmt, 0);
    int64_t gid = sqlite3_column_int64(stmt, 1);

    if (name == NULL ||
        !account_name_ok(name, (size_t)sqlite3_column_bytes(stmt, 0)))
        return "its name is not one";
    if (locals_have_group(locals, name) ||
        strcmp(name, policy->marker_group) == 0)
        return "this host has a group of that name";
    if (sqlite3_column_type(stmt, 1) != SQLITE_INTEGER ||
        !account_id_ok(policy, gid))
        return "its gid is out of range";
    if (locals_have_gid(locals, (uint32_t)gid) ||
        gid == (int64_t)policy->marker_gid)
        return "its gid is that of a group of this host";
    return NULL;
}

/* The group whose rows are being read. */
struct group {
    bool begun;
    bool taken;
    int64_t id;
    const struct account **members;
    size_t count;
    size_t room;
};

/* Accounts lie in the order of their names. */
static int
compare_places(const void *a, const void *b)
{
    const struct account *x = *(const struct account *const *)a;
    const struct account *y = *(const struct account *const *)b;

    return (x > y) - (x < y);
}

/* Puts the rest of the line. */
static void
end_group(struct buf *out, struct group *g)
{
    if (!g->begun || !g->taken)
        return;
    if (g->count > 0)
        qsort(g->members, g->count, sizeof(*g->members), compare_places);
    for (size_t i = 0; i < g->count; i++) {
        if (i > 0)
            buf_put(out, ",", 1);
        buf_put(out, g->members[i]->name, strlen(g->members[i]->name));
    }
    buf_put(out, "\n", 1);
}

static void
begin_group(struct people *p, struct group *g, sqlite3_stmt *stmt,
    const char *refusal)
{
    const char *name = (const char *)sqlite3_column_text(stmt, 0);

    g->begun = true;
    g->taken = refusal == NULL;
    g->id = sqlite3_column_int64(stmt, 2);
    g->count = 0;
    if (g->taken)
        buf_printf(&p->groups, "%s:x:%lld:", name,
            (long long)sqlite3_column_int64(stmt, 1));
    else
        tell_refusal(p, "group", (const unsigned char *)name, refusal);
}

static void
add_member(struct group *g, const struct account *member)
{
    if (g->count == g->room) {
        g->room = g->room == 0 ? 64 : 2 * g->room;
        g->members = alloc_resize(g->members, g->room, sizeof(*g->members));
    }
    g->members[g->count++] = member;
}

static int
read_groups(struct people *p, sqlite3 *db, const struct policy *policy,
    const struct locals *locals, struct err *e)
{
    struct group g = { .begun = false };
    sqlite3_stmt *stmt = NULL;
    int rc;

    if (database_prepare(db, groups_sql, &stmt, e) != 0)
        return -1;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const struct account *member;

        if (!g.begun || sqlite3_column_int64(stmt, 2) != g.id) {
            end_group(&p->groups, &g);
            begin_group(p, &g, stmt, group_refusal(stmt, policy, locals));
        }
        member = people_find_id(p, stmt, 3);
        if (member != NULL)
            add_member(&g, member);
    }
    end_group(&p->groups, &g);
    if (rc != SQLITE_DONE)
        database_error(db, e, "could not read the groups");
    free(g.members);
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? 0 : -1;
}

int
people_open(sqlite3 **db, const struct policy *policy, struct err *e)
{
    if (database_open(db, policy->database, OPEN_READ, WAIT_MS, e) == 0 &&
        database_exec(*db, "BEGIN", e) == 0)
        return 0;
    database_close(*db);
    *db = NULL;
    return -1;
}

/* Members of a group of the host's own are no users of ours. */
static int
check_marker(const struct policy *policy, const struct locals *locals,
    struct err *e)
{
    if (!locals_have_group(locals, policy->marker_group) &&
        !locals_have_gid(locals, policy->marker_gid))
        return 0;
    err_set(e, ERR_EXISTS, "this host has group \"%s\" or gid %lu already",
        policy->marker_group, (unsigned long)policy->marker_gid);
    err_hint(e, "Set marker_group and marker_gid in %s.", policy->file);
    return -1;
}

int
people_read(struct people *p, sqlite3 *db, const struct policy *policy,
    int64_t now_s, struct err *e)
{
    struct locals locals;
    int r = -1;

    memset(p, 0, sizeof(*p));
    if (locals_read(&locals, policy->passwd, policy->group, e) != 0)
        return -1;
    if (check_marker(policy, &locals, e) != 0 ||
        read_users(p, db, policy, &locals, now_s, e) != 0 ||
        read_groups(p, db, policy, &locals, e) != 0)
        goto out;
    if (p->refused > TOLD_MAX)
        fprintf(stderr, "and %zu more\n", p->refused - TOLD_MAX);
    r = 0;
out:
    if (r != 0)
        people_release(p);
    locals_release(&locals);
    return r;
}

void
people_release(struct people *p)
{
    for (size_t i = 0; i < p->count; i++)
        account_release(&p->accounts[i]);
    free(p->accounts);
    free(p->by_id);
    buf_release(&p->groups);
    memset(p, 0, sizeof(*p));
}

/* What the three tables are to hold, and who of them is kept out. */
#include "contrib/proftpd/user_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "contrib/accounts/key.h"
#include "contrib/proftpd/user_file.h"
#include "sync/open.h"

/* crypt(3) gives no such hash. */
#define NO_PASSWORD "!"
#define KEY_LINE 70

static const char keys_sql[] =
    "SELECT user_id, type, key FROM user_keys ORDER BY id";

static const struct row_table users_table = {
    .select = "SELECT name, uid, gid, home, password, shell, expires"
              " FROM users ORDER BY name",
    .remove = "DELETE FROM users WHERE name = ?1",
    .insert = "INSERT INTO users (name, uid, gid, home, password, shell,"
              " expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    .columns = 7,
    .key = 1,
};
/* The columns uid, gid and home. */
#define HOME_COLUMNS 0xeU

static const struct row_table members_table = {
    .select = "SELECT member, groupname, gid FROM members"
              " ORDER BY member, groupname",
    .remove = "DELETE FROM members WHERE member = ?1 AND groupname = ?2",
    .insert = "INSERT INTO members (member, groupname, gid)"
              " VALUES (?1, ?2, ?3)",
    .columns = 3,
    .key = 2,
};

static const struct row_table keys_table = {
    .select = "SELECT name, key FROM keys ORDER BY name, key",
    .remove = "DELETE FROM keys WHERE name = ?1 AND key = ?2",
    .insert = "INSERT INTO keys (name, key) VALUES (?1, ?2)",
    .columns = 2,
    .key = 2,
};

static void
want_users(struct row_set *s, const struct people *p,
    const struct policy *policy)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct account *a = &p->accounts[i];
        struct row_cell *cells = row_set_add(s);

        cells[0] = row_text(a->name);
        cells[1] = row_number(a->uid);
        cells[2] = row_number(a->gid);
        cells[3] = row_text(a->home);
        cells[4] = row_text(a->hash != NULL ? a->hash : NO_PASSWORD);
        cells[5] = row_text(policy->shell);
        cells[6] = row_number(a->expires_s);
    }
    row_set_sort(s);
}

static void
want_member(struct row_set *s, const char *group, int64_t gid,
    const char *member)
{
    struct row_cell *cells = row_set_add(s);

    cells[0] = row_text(member);
    cells[1] = row_text(group);
    cells[2] = row_number(gid);
}

/* One line of people's groups, "NAME:x:GID:MEMBER,...". */
static void
want_group(struct row_set *s, char *line)
{
    char *name = strsep(&line, ":"), *number, *member;
    int64_t gid;

    strsep(&line, ":");
    number = strsep(&line, ":");
    if (number == NULL || line == NULL)
        return;
    gid = strtoll(number, NULL, 10);
    while ((member = strsep(&line, ",")) != NULL)
        if (member[0] != '\0')
            want_member(s, name, gid, member);
}

static void
want_members(struct user_rows *w, const struct people *p,
    const struct policy *policy)
{
    char *rest;

    for (size_t i = 0; i < p->count; i++)
        want_member(&w->members, policy->marker_group, policy->marker_gid,
            p->accounts[i].name);
    buf_put(&w->groups, p->groups.data, p->groups.len);
    buf_put_u8(&w->groups, 0);
    rest = (char *)w->groups.data;
    while (rest != NULL)
        want_group(&w->members, strsep(&rest, "\n"));
    row_set_sort(&w->members);
}

static void
put_text(struct buf *out, const char *text)
{
    buf_put(out, text, strlen(text));
}

/* RFC 4716: lines of at most 72 bytes between two marks. */
static void
put_key(struct buf *out, const char *key)
{
    size_t len = strlen(key);

    put_text(out, "---- BEGIN SSH2 PUBLIC KEY ----\n");
    for (size_t at = 0; at < len; at += KEY_LINE) {
        buf_put(out, key + at, len - at < KEY_LINE ? len - at : KEY_LINE);
        put_text(out, "\n");
    }
    put_text(out, "---- END SSH2 PUBLIC KEY ----\n");
}

/* A row of keys_sql; NUMBERS counts the keys of each account of P.  The key's
 * cell has where in W's text it begins. */
static void
want_key(struct user_rows *w, sqlite3_stmt *stmt, uint16_t *numbers)
{
    const char *type = (const char *)sqlite3_column_text(stmt, 1);
    const char *key = (const char *)sqlite3_column_text(stmt, 2);
    const struct account *a = people_find_id(w->people, stmt, 0);
    struct row_cell *cells;

    if (a == NULL || numbers[a - w->people->accounts] == KEYS_MAX ||
        !key_is_plain(type, key))
        return;
    numbers[a - w->people->accounts]++;
    cells = row_set_add(&w->keys);
    cells[0] = row_text(a->name);
    cells[1] = row_number((int64_t)w->text.len);
    put_key(&w->text, key);
    buf_put_u8(&w->text, 0);
}

static int
want_keys(struct user_rows *w, sqlite3 *config, struct err *e)
{
    uint16_t *numbers = alloc_zeroed(w->people->count + 1, sizeof(*numbers));
    sqlite3_stmt *stmt = NULL;
    int rc = SQLITE_DONE, r = -1;

    if (database_prepare(config, keys_sql, &stmt, e) != 0)
        goto out;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        want_key(w, stmt, numbers);
    if (rc != SQLITE_DONE) {
        database_error(config, e, "could not read keys");
        goto out;
    }
    /* The text moves no more. */
    for (size_t i = 0; i < w->keys.count; i++) {
        struct row_cell *cell = &row_set_at(&w->keys, i)[1];

        *cell = row_text((const char *)w->text.data + cell->number);
    }
    row_set_sort(&w->keys);
    r = 0;
out:
    sqlite3_finalize(stmt);
    free(numbers);
    return r;
}

int
user_rows_want(struct user_rows *w, sqlite3 *config, const struct people *p,
    const struct policy *policy, struct err *e)
{
    memset(w, 0, sizeof(*w));
    w->people = p;
    w->users.table = &users_table;
    w->members.table = &members_table;
    w->keys.table = &keys_table;
    want_users(&w->users, p, policy);
    want_members(w, p, policy);
    return want_keys(w, config, e);
}

void
user_rows_release(struct user_rows *w)
{
    row_set_release(&w->users);
    row_set_release(&w->members);
    row_set_release(&w->keys);
    buf_release(&w->groups);
    buf_release(&w->text);
}

/* Names of people who have no safe home, in their order. */
struct homeless {
    const char **names;
    size_t count;
};

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool
has_home(const void *ctx, const char *name)
{
    const struct homeless *homeless = ctx;

    return bsearch(&name, homeless->names, homeless->count,
               sizeof(*homeless->names), compare_names) == NULL;
}

static void
ask_home(const struct user_rows *w, size_t row, struct homes *homes,
    struct homeless *homeless)
{
    const char *name = row_set_at(&w->users, row)[0].text;
    const struct account *a = people_find(w->people, name);

    if (a == NULL || !homes_make(homes, a))
        homeless->names[homeless->count++] = name;
}

/* Makes homes and leaves those out who have none; by what differs in users. */
static void
leave_homeless_out(struct user_rows *w, struct homes *homes, bool all)
{
    struct homeless homeless = {
        alloc_zeroed(w->users.count + 1, sizeof(*homeless.names)), 0
    };

    for (size_t i = 0; all && i < w->users.count; i++)
        ask_home(w, i, homes, &homeless);
    for (size_t i = 0; !all && i < w->users.missing_count; i++)
        if ((w->users.missing[i].differs & HOME_COLUMNS) != 0)
            ask_home(w, w->users.missing[i].row, homes, &homeless);
    if (homeless.count > 0) {
        row_set_filter(&w->members, has_home, &homeless);
        row_set_filter(&w->keys, has_home, &homeless);
        row_set_filter(&w->users, has_home, &homeless);
    }
    free(homeless.names);
}

/* Within a transaction. */
static int
update(struct user_rows *w, sqlite3 *db, struct homes *homes, bool all,
    struct err *e)
{
    size_t count = w->users.count;

    if (row_set_compare(&w->users, db, e) != 0)
        return -1;
    leave_homeless_out(w, homes, all);
    if (homes_finish(homes, e) != 0 ||
        (w->users.count != count && row_set_compare(&w->users, db, e) != 0) ||
        row_set_compare(&w->members, db, e) != 0 ||
        row_set_compare(&w->keys, db, e) != 0)
        return -1;
    /* Only who is taken away, or another by now, has sessions to be ended. */
    if (w->users.gone_count > 0 &&
        user_file_remember(db, USER_ROWS_REMOVED, "yes", e) != 0)
        return -1;
    if (row_set_write(&w->keys, db, e) != 0 ||
        row_set_write(&w->members, db, e) != 0)
        return -1;
    return row_set_write(&w->users, db, e);
}

int
user_rows_update(struct user_rows *w, sqlite3 *db, struct homes *homes,
    bool all, struct err *e)
{
    /* Who reads is not kept waiting by this, before it commits. */
    if (database_exec(db, "BEGIN IMMEDIATE", e) == 0 &&
        update(w, db, homes, all, e) == 0 &&
        database_exec(db, "COMMIT", e) == 0)
        return 0;
    database_rollback(db);
    return -1;
}

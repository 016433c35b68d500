/*
 * Command "user list": a page of the users, filtered and sorted by the engine,
 * so that whoever shows 100,000 of them has to know only those that are seen.
 */
#include <string.h>

#include "base/json.h"
#include "daemon/config_constraint.h"
#include "daemon/config_users.h"

#define LIST_MAX 10000

const struct row_field user_shown[] = {
    { "name", NULL, ROW_TEXT },
    { "uid", NULL, ROW_INT },
    { "gid", NULL, ROW_INT },
    { "home", NULL, ROW_TEXT },
    { "shell", NULL, ROW_TEXT },
    { "enabled", NULL, ROW_BOOL },
    { "expires", NULL, ROW_TIME },
    { "comment", NULL, ROW_TEXT },
    { "has_password", NULL, ROW_BOOL },
    { "keys", NULL, ROW_INT },
    { NULL, NULL, ROW_TEXT },
};

/* What one may sort by.  What is not set comes last, either way round. */
static const struct user_order {
    const char *name;
    const char *up;
    const char *down;
} user_orders[] = {
    { "name", "name", "name DESC" },
    { "uid", "uid, name", "uid DESC, name" },
    { "gid", "gid, name", "gid DESC, name" },
    { "home", "home, name", "home DESC, name" },
    { "enabled", "enabled DESC, name", "enabled, name" },
    { "expires", "expires IS NULL, expires, name",
        "expires IS NULL, expires DESC, name" },
    { "comment", "comment IS NULL, comment COLLATE NOCASE, name",
        "comment IS NULL, comment COLLATE NOCASE DESC, name" },
    { "has_password", "password_hash IS NULL, name",
        "password_hash IS NOT NULL, name" },
    { "keys", USER_KEYS ", name", USER_KEYS " DESC, name" },
};

struct user_page {
    const char *filter; /* NULL: all */
    bool ignore_case;   /* of ASCII */
    const char *order;
    int64_t offset, limit;
};

static int
find_order(const char *name, bool descending, const char **order, struct err *e)
{
    for (size_t i = 0; i < sizeof(user_orders) / sizeof(user_orders[0]); i++)
        if (strcmp(user_orders[i].name, name) == 0) {
            *order = descending ? user_orders[i].down : user_orders[i].up;
            return 0;
        }
    err_set(e, ERR_INVALID, "users cannot be sorted by \"%s\"", name);
    err_hint(e, "Sort by a member of their entries, such as \"name\" or "
                "\"expires\".");
    return -1;
}

static int
read_page(struct user_page *page, const json_t *args, struct err *e)
{
    const char *sort = "name";
    bool descending = false;

    *page = (struct user_page){ .limit = LIST_MAX };
    if (json_member_string(args, "filter", false, &page->filter, e) != 0 ||
        json_member_bool(args, "ignore_case", false, &page->ignore_case, e) !=
            0 ||
        json_member_string(args, "sort", false, &sort, e) != 0 ||
        json_member_bool(args, "descending", false, &descending, e) != 0 ||
        json_member_int(args, "offset", false, &page->offset, e) != 0 ||
        json_member_int(args, "limit", false, &page->limit, e) != 0 ||
        find_order(sort, descending, &page->order, e) != 0)
        return -1;
    if (page->offset < 0 || page->limit < 0 || page->limit > LIST_MAX)
        return err_set(e, ERR_INVALID,
            "offset and limit must not be negative, limit at most %d",
            LIST_MAX);
    if (page->filter != NULL && page->filter[0] == '\0')
        page->filter = NULL;
    return 0;
}

/* The condition that the filter makes of parameter 1. */
static const char *
condition(const struct user_page *page)
{
    if (page->filter == NULL)
        return "?1 IS NULL";
    return page->ignore_case ? "instr(lower(name), lower(?1)) > 0"
                               " OR instr(lower(comment), lower(?1)) > 0"
                             : "instr(name, ?1) > 0 OR instr(comment, ?1) > 0";
}

/* Prepares SQL, which it frees, with the filter bound. */
static int
prepare(sqlite3 *db, const struct user_page *page, char *sql,
    sqlite3_stmt **stmt, struct err *e)
{
    int r = row_query(db, sql, -1, stmt, e);

    sqlite3_free(sql);
    if (r == 0)
        sqlite3_bind_text(*stmt, 1, page->filter, -1, SQLITE_STATIC);
    return r;
}

/* Which users first, what is shown of them then: sorting moves ids only. */
static int
take_users(struct config_job *job, const struct user_page *page, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    json_t *users = NULL;
    char *sql = sqlite3_mprintf(
        "SELECT " USER_COLUMNS " FROM users WHERE id IN (SELECT id FROM users"
        " WHERE %s ORDER BY %s LIMIT %lld OFFSET %lld) ORDER BY %s",
        condition(page), page->order, (long long)page->limit,
        (long long)page->offset, page->order);

    if (prepare(job->db, page, sql, &stmt, e) != 0 ||
        row_json_all(job->db, stmt, user_shown, &users, e) != 0)
        return -1;
    json_object_set_new(job->result, "users", users);
    return 0;
}

static int
count_users(struct config_job *job, const struct user_page *page, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    char *sql =
        sqlite3_mprintf("SELECT count(*) FROM users WHERE %s", condition(page));
    int r = 0;

    if (prepare(job->db, page, sql, &stmt, e) != 0)
        return -1;
    if (sqlite3_step(stmt) == SQLITE_ROW)
        json_object_set_new(job->result, "total",
            json_integer(sqlite3_column_int64(stmt, 0)));
    else
        r = config_refusal(job->db, e);
    sqlite3_finalize(stmt);
    return r;
}

static int
list(struct config_job *job, struct err *e)
{
    struct user_page page;

    if (read_page(&page, job->args, e) != 0)
        return -1;
    job->result = json_object();
    if (take_users(job, &page, e) != 0)
        return -1;
    return count_users(job, &page, e);
}

void
user_list(struct control_call *call)
{
    config_read(call, list);
}

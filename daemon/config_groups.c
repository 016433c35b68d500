/*
 * Commands "group ...": groups and their members in dataset config.
 */
#include <string.h>

#include "base/json.h"
#include "daemon/config_constraint.h"
#include "daemon/config_job.h"
#include "daemon/config_row.h"
#include "sync/open.h"

#define FIRST_GID 10000

static const struct row_field group_settable[] = {
    { "new_name", "name", ROW_TEXT },
    { "gid", "gid", ROW_INT },
    { "comment", "comment", ROW_TEXT },
    { NULL, NULL, ROW_TEXT },
};

static const struct row_field group_shown[] = {
    { "name", NULL, ROW_TEXT },
    { "gid", NULL, ROW_INT },
    { "comment", NULL, ROW_TEXT },
    { NULL, NULL, ROW_TEXT },
};

static int
members(sqlite3 *db, int64_t id, json_t **names, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc, r = 0;

    if (row_query(db,
            "SELECT name FROM users JOIN group_members ON user_id = users.id"
            " WHERE group_id = ?1 ORDER BY name",
            id, &stmt, e) != 0)
        return -1;
    *names = json_array();
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        json_array_append_new(*names,
            json_text((const char *)sqlite3_column_text(stmt, 0)));
    if (rc != SQLITE_DONE) {
        r = config_refusal(db, e);
        json_decref(*names);
    }
    sqlite3_finalize(stmt);
    return r;
}

/* The groups that SQL selects (name, gid, comment, id), with their members. */
static int
groups_json(sqlite3 *db, const char *sql, int64_t id, json_t **groups,
    struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    json_t *names = NULL;
    int rc, r = -1;

    *groups = json_array();
    if (row_query(db, sql, id, &stmt, e) != 0)
        goto out;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        json_t *group = row_json(stmt, group_shown);

        json_array_append_new(*groups, group);
        if (members(db, sqlite3_column_int64(stmt, 3), &names, e) != 0)
            goto out;
        json_object_set_new(group, "members", names);
    }
    r = rc == SQLITE_DONE ? 0 : config_refusal(db, e);
out:
    sqlite3_finalize(stmt);
    if (r != 0) {
        json_decref(*groups);
        *groups = NULL;
    }
    return r;
}

static int
answer_group(struct config_job *job, int64_t id, struct err *e)
{
    json_t *groups = NULL;

    if (groups_json(job->db,
            "SELECT name, gid, comment, id FROM groups WHERE id = ?1", id,
            &groups, e) != 0)
        return -1;
    job->result = json_pack("{s:O}", "group", json_array_get(groups, 0));
    json_decref(groups);
    return 0;
}

static int
list(struct config_job *job, struct err *e)
{
    json_t *groups = NULL;

    if (groups_json(job->db,
            "SELECT name, gid, comment, id FROM groups ORDER BY name", -1,
            &groups, e) != 0)
        return -1;
    job->result = json_pack("{s:o}", "groups", groups);
    return 0;
}

static int
find_group(struct config_job *job, const char **name, int64_t *id,
    struct err *e)
{
    if (json_member_string(job->args, "name", true, name, e) != 0)
        return -1;
    return row_find(job->db, "groups", "group", *name, id, e);
}

static int
add(struct config_job *job, struct err *e)
{
    struct row row = ROW_INIT;
    const char *name = NULL;
    int64_t id, gid;

    if (json_member_string(job->args, "name", true, &name, e) != 0 ||
        row_take(&row, group_settable, job->args, e) != 0)
        return -1;
    row_put_text(&row, "name", name);
    if (!row_has(&row, "gid")) {
        /* A user's own gid is its uid: groups keep out of their way. */
        if (row_number(job->db,
                "SELECT max(coalesce((SELECT max(gid) + 1 FROM groups), 0),"
                " coalesce((SELECT max(uid) + 1 FROM users), 0), ?1)",
                FIRST_GID, FIRST_GID, &gid, e) != 0)
            return -1;
        row_put_int(&row, "gid", gid == 65535 ? gid + 1 : gid);
    }
    if (row_insert(job->db, "groups", &row, &id, e) != 0)
        return err_wrap(e, "could not add group \"%s\"", name);
    config_note(job, "group \"%s\" added", name);
    return answer_group(job, id, e);
}

static int
run_for_member(sqlite3 *db, const char *sql, int64_t group, const json_t *name,
    struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int64_t user;
    int r = 0;

    if (!json_is_string(name))
        return err_set(e, ERR_INVALID, "members must be user names");
    if (row_find(db, "users", "user", json_string_value(name), &user, e) != 0 ||
        database_prepare(db, sql, &stmt, e) != 0)
        return -1;
    sqlite3_bind_int64(stmt, 1, group);
    sqlite3_bind_int64(stmt, 2, user);
    if (sqlite3_step(stmt) != SQLITE_DONE)
        r = config_refusal(db, e);
    sqlite3_finalize(stmt);
    return r;
}

/* Adds or removes the users that MEMBER of the arguments lists; adding a member
 * or removing a stranger changes nothing. */
static int
change_members(struct config_job *job, const char *member, const char *sql,
    int64_t group, size_t *changed, struct err *e)
{
    const json_t *names = json_member(job->args, member);

    if (names == NULL)
        return 0;
    if (!json_is_array(names))
        return err_set(e, ERR_INVALID, "member \"%s\" must be an array",
            member);
    for (size_t i = 0; i < json_array_size(names); i++)
        if (run_for_member(job->db, sql, group, json_array_get(names, i), e) !=
            0)
            return -1;
    *changed += json_array_size(names);
    return 0;
}

static int
set(struct config_job *job, struct err *e)
{
    struct row row = ROW_INIT;
    const char *name;
    size_t changed = 0;
    int64_t id;

    if (find_group(job, &name, &id, e) != 0 ||
        row_take(&row, group_settable, job->args, e) != 0 ||
        change_members(job, "add",
            "INSERT INTO group_members (group_id, user_id) VALUES (?1, ?2)"
            " ON CONFLICT DO NOTHING",
            id, &changed, e) != 0 ||
        change_members(job, "remove",
            "DELETE FROM group_members WHERE group_id = ?1 AND user_id = ?2",
            id, &changed, e) != 0)
        return -1;
    if ((row.count > 0 || changed == 0) &&
        row_update(job->db, "groups", id, &row, e) != 0)
        return err_wrap(e, "could not change group \"%s\"", name);
    config_note(job, "group \"%s\" changed", name);
    return answer_group(job, id, e);
}

static int
remove_group(struct config_job *job, struct err *e)
{
    const char *name;
    int64_t id;

    if (find_group(job, &name, &id, e) != 0 ||
        row_delete(job->db, "groups", id, "the group", e) != 0)
        return -1;
    config_note(job, "group \"%s\" removed", name);
    job->result = json_pack("{s:s}", "removed", name);
    return 0;
}

static void
group_list(struct control_call *call)
{
    config_read(call, list);
}

static void
group_add(struct control_call *call)
{
    config_write(call, add);
}

static void
group_set(struct control_call *call)
{
    config_write(call, set);
}

static void
group_remove(struct control_call *call)
{
    config_write(call, remove_group);
}

static const char *const no_arguments[] = { NULL };
static const char *const name_argument[] = { "name", NULL };
static const char *const add_arguments[] = { "name", "gid", "comment", NULL };
static const char *const set_arguments[] = { "name", "new_name", "gid",
    "comment", "add", "remove", NULL };

const struct control_command control_group_commands[] = {
    { "group list", 0, ROLE_VIEWER, no_arguments, group_list },
    { "group add", CONTROL_CHANGES, ROLE_ADMIN, add_arguments, group_add },
    { "group set", CONTROL_CHANGES, ROLE_ADMIN, set_arguments, group_set },
    { "group remove", CONTROL_CHANGES, ROLE_ADMIN, name_argument,
        group_remove },
    { NULL, 0, ROLE_NONE, NULL, NULL },
};

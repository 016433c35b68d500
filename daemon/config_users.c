/*
 * Commands "user ...": the accounts of the SFTP service in dataset config.
 */
#include "daemon/config_users.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "daemon/config_constraint.h"
#include "daemon/config_password.h"
#include "daemon/config_row.h"

#define FIRST_UID 10000

/* What add and set take. */
static const struct row_field user_settable[] = {
    { "uid", "uid", ROW_INT },
    { "gid", "gid", ROW_INT },
    { "home", "home", ROW_TEXT },
    { "shell", "shell", ROW_TEXT },
    { "enabled", "enabled", ROW_BOOL },
    { "expires", "expires", ROW_TIME },
    { "comment", "comment", ROW_TEXT },
    { "new_name", "name", ROW_TEXT },
    { NULL, NULL, ROW_TEXT },
};

int
user_find(struct config_job *job, const char **name, int64_t *id, struct err *e)
{
    if (json_member_string(job->args, "name", true, name, e) != 0)
        return -1;
    return row_find(job->db, "users", "user", *name, id, e);
}

/* {"user": {...}} as the command's result. */
static int
answer_user(struct config_job *job, int64_t id, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int r = 0;

    if (row_query(job->db, "SELECT " USER_COLUMNS " FROM users WHERE id = ?1",
            id, &stmt, e) != 0)
        return -1;
    if (sqlite3_step(stmt) == SQLITE_ROW)
        job->result = json_pack("{s:o}", "user", row_json(stmt, user_shown));
    else
        r = config_refusal(job->db, e);
    sqlite3_finalize(stmt);
    return r;
}

static int
groups_of_user(sqlite3 *db, int64_t id, json_t **groups, struct err *e)
{
    static const struct row_field fields[] = {
        { "name", NULL, ROW_TEXT },
        { "gid", NULL, ROW_INT },
        { NULL, NULL, ROW_TEXT },
    };
    sqlite3_stmt *stmt = NULL;

    if (row_query(db,
            "SELECT name, gid FROM groups JOIN group_members"
            " ON group_id = groups.id WHERE user_id = ?1 ORDER BY name",
            id, &stmt, e) != 0)
        return -1;
    return row_json_all(db, stmt, fields, groups, e);
}

static int
show(struct config_job *job, struct err *e)
{
    json_t *user, *keys = NULL, *groups = NULL, *folders = NULL;
    const char *name;
    int64_t id;

    if (user_find(job, &name, &id, e) != 0 || answer_user(job, id, e) != 0)
        return -1;
    if (user_keys_json(job->db, id, &keys, e) != 0 ||
        groups_of_user(job->db, id, &groups, e) != 0 ||
        folders_json(job->db, id, -1, &folders, e) != 0) {
        json_decref(keys);
        json_decref(groups);
        return -1;
    }
    user = json_object_get(job->result, "user");
    json_object_set_new(user, "keys", keys);
    json_object_set_new(user, "groups", groups);
    json_object_set_new(user, "folders", folders);
    return 0;
}

/* What a new user has unless the caller said otherwise. */
static int
put_defaults(sqlite3 *db, struct row *row, const char *home, struct err *e)
{
    int64_t uid = 0;

    if (!row_has(row, "uid")) {
        if (row_number(db, "SELECT max(uid) + 1 FROM users WHERE uid >= ?1",
                FIRST_UID, FIRST_UID, &uid, e) != 0)
            return -1;
        row_put_int(row, "uid", uid == 65535 ? uid + 1 : uid);
    }
    for (size_t i = 0; i < row->count; i++)
        if (strcmp(row->values[i].column, "uid") == 0)
            uid = row->values[i].number;
    if (!row_has(row, "gid"))
        row_put_int(row, "gid", uid);
    if (!row_has(row, "home"))
        row_put_text(row, "home", home);
    return 0;
}

static int
add(struct config_job *job, struct err *e)
{
    struct row row = ROW_INIT;
    const char *name = NULL;
    char *hash = NULL, *home = NULL;
    int64_t id;
    int r = -1;

    if (json_member_string(job->args, "name", true, &name, e) != 0 ||
        user_password_take(job->args, &hash, e) != 0)
        goto out;
    home = alloc_format("/srv/sftp/%s", name);
    row_put_text(&row, "name", name);
    row_put_text(&row, "password_hash", hash);
    if (row_take(&row, user_settable, job->args, e) != 0 ||
        put_defaults(job->db, &row, home, e) != 0)
        goto out;
    if (row_insert(job->db, "users", &row, &id, e) != 0) {
        err_wrap(e, "could not add user \"%s\"", name);
        goto out;
    }
    config_note(job, "user \"%s\" added", name);
    r = answer_user(job, id, e);
out:
    free(home);
    free(hash);
    return r;
}

static int
set(struct config_job *job, struct err *e)
{
    struct row row = ROW_INIT;
    const char *name;
    char *hash = NULL;
    int64_t id;
    int r = -1;

    if (user_find(job, &name, &id, e) != 0 ||
        user_password_take(job->args, &hash, e) != 0)
        goto out;
    if (hash != NULL)
        row_put_text(&row, "password_hash", hash);
    if (row_take(&row, user_settable, job->args, e) != 0)
        goto out;
    if (row_update(job->db, "users", id, &row, e) != 0) {
        err_wrap(e, "could not change user \"%s\"", name);
        goto out;
    }
    config_note(job, "user \"%s\" changed", name);
    r = answer_user(job, id, e);
out:
    free(hash);
    return r;
}

static int
remove_user(struct config_job *job, struct err *e)
{
    const char *name;
    int64_t id;

    if (user_find(job, &name, &id, e) != 0 ||
        row_delete(job->db, "users", id, "the user", e) != 0)
        return -1;
    config_note(job, "user \"%s\" removed", name);
    job->result = json_pack("{s:s}", "removed", name);
    return 0;
}

static int
passwd(struct config_job *job, struct err *e)
{
    struct row row = ROW_INIT;
    const char *name;
    char *hash = NULL;
    bool disable = false;
    int64_t id;
    int r = -1;

    if (user_find(job, &name, &id, e) != 0 ||
        json_member_bool(job->args, "disable", false, &disable, e) != 0 ||
        user_password_take(job->args, &hash, e) != 0)
        goto out;
    if (disable == (hash != NULL)) {
        err_set(e, ERR_INVALID,
            "give either a password, a password hash or \"disable\"");
        goto out;
    }
    row_put_text(&row, "password_hash", hash);
    if (row_update(job->db, "users", id, &row, e) != 0) {
        err_wrap(e, "could not change user \"%s\"", name);
        goto out;
    }
    config_note(job, "password of user \"%s\" %s", name,
        disable ? "removed" : "changed");
    r = answer_user(job, id, e);
out:
    free(hash);
    return r;
}

static void
user_show(struct control_call *call)
{
    config_read(call, show);
}

static void
user_add(struct control_call *call)
{
    config_write(call, add);
}

static void
user_set(struct control_call *call)
{
    config_write(call, set);
}

static void
user_remove(struct control_call *call)
{
    config_write(call, remove_user);
}

static void
user_passwd(struct control_call *call)
{
    config_write(call, passwd);
}

static const char *const list_arguments[] = { "filter", "ignore_case", "sort",
    "descending", "offset", "limit", NULL };
static const char *const name_argument[] = { "name", NULL };
static const char *const add_arguments[] = { "name", "uid", "gid", "home",
    "shell", "enabled", "expires", "comment", "password", "password_hash",
    NULL };
static const char *const set_arguments[] = { "name", "new_name", "uid", "gid",
    "home", "shell", "enabled", "expires", "comment", "password",
    "password_hash", NULL };
static const char *const passwd_arguments[] = { "name", "password",
    "password_hash", "disable", NULL };
static const char *const key_arguments[] = { "name", "key", NULL };

const struct control_command control_user_commands[] = {
    { "user list", 0, ROLE_VIEWER, list_arguments, user_list },
    { "user show", 0, ROLE_VIEWER, name_argument, user_show },
    { "user add", CONTROL_CHANGES, ROLE_ADMIN, add_arguments, user_add },
    { "user set", CONTROL_CHANGES, ROLE_ADMIN, set_arguments, user_set },
    { "user remove", CONTROL_CHANGES, ROLE_ADMIN, name_argument, user_remove },
    { "user passwd", CONTROL_CHANGES, ROLE_ADMIN, passwd_arguments,
        user_passwd },
    { "user key add", CONTROL_CHANGES, ROLE_ADMIN, key_arguments,
        user_key_add },
    { "user key list", 0, ROLE_VIEWER, name_argument, user_key_list },
    { "user key remove", CONTROL_CHANGES, ROLE_ADMIN, key_arguments,
        user_key_remove },
    { NULL, 0, ROLE_NONE, NULL, NULL },
};

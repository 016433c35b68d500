/*
 * Commands "folder ...": what users and groups see of the file system.
 */
#include "base/json.h"
#include "daemon/config_constraint.h"
#include "daemon/config_row.h"
#include "daemon/config_users.h"

static const struct row_field folder_settable[] = {
    { "virtual_path", "virtual_path", ROW_TEXT },
    { "real_path", "real_path", ROW_TEXT },
    { "permissions", "permissions", ROW_TEXT },
    { NULL, NULL, ROW_TEXT },
};

static const struct row_field folder_shown[] = {
    { "id", NULL, ROW_INT },
    { "user", NULL, ROW_TEXT },
    { "group", NULL, ROW_TEXT },
    { "virtual_path", NULL, ROW_TEXT },
    { "real_path", NULL, ROW_TEXT },
    { "permissions", NULL, ROW_TEXT },
    { NULL, NULL, ROW_TEXT },
};

#define FOLDERS_SQL                                                        \
    "SELECT folders.id, users.name, groups.name, virtual_path, real_path," \
    " permissions FROM folders LEFT JOIN users ON users.id = user_id"      \
    " LEFT JOIN groups ON groups.id = group_id"
#define FOLDERS_ORDER " ORDER BY users.name, groups.name, virtual_path"

int
folders_json(sqlite3 *db, int64_t user_id, int64_t group_id, json_t **folders,
    struct err *e)
{
    const char *sql = FOLDERS_SQL FOLDERS_ORDER;
    sqlite3_stmt *stmt = NULL;
    int64_t id = -1;

    if (user_id >= 0) {
        sql = FOLDERS_SQL " WHERE user_id = ?1" FOLDERS_ORDER;
        id = user_id;
    } else if (group_id >= 0) {
        sql = FOLDERS_SQL " WHERE group_id = ?1" FOLDERS_ORDER;
        id = group_id;
    }
    if (row_query(db, sql, id, &stmt, e) != 0)
        return -1;
    return row_json_all(db, stmt, folder_shown, folders, e);
}

/* The ids that arguments "user" and "group" name; -1 where not given. */
static int
find_owner(struct config_job *job, int64_t *user_id, int64_t *group_id,
    struct err *e)
{
    const char *user = NULL, *group = NULL;

    *user_id = *group_id = -1;
    if (json_member_string(job->args, "user", false, &user, e) != 0 ||
        json_member_string(job->args, "group", false, &group, e) != 0)
        return -1;
    if (user != NULL && group != NULL) {
        err_set(e, ERR_INVALID, "a folder belongs to one user or one group");
        err_hint(e, "Give either a user or a group.");
        return -1;
    }
    if (user != NULL)
        return row_find(job->db, "users", "user", user, user_id, e);
    if (group != NULL)
        return row_find(job->db, "groups", "group", group, group_id, e);
    return 0;
}

static int
answer_folder(struct config_job *job, int64_t id, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int r = 0;

    if (row_query(job->db, FOLDERS_SQL " WHERE folders.id = ?1", id, &stmt,
            e) != 0)
        return -1;
    if (sqlite3_step(stmt) == SQLITE_ROW)
        job->result =
            json_pack("{s:o}", "folder", row_json(stmt, folder_shown));
    else
        r = config_refusal(job->db, e);
    sqlite3_finalize(stmt);
    return r;
}

static int
list(struct config_job *job, struct err *e)
{
    json_t *folders = NULL;
    int64_t user_id, group_id;

    if (find_owner(job, &user_id, &group_id, e) != 0 ||
        folders_json(job->db, user_id, group_id, &folders, e) != 0)
        return -1;
    job->result = json_pack("{s:o}", "folders", folders);
    return 0;
}

static int
add(struct config_job *job, struct err *e)
{
    struct row row = ROW_INIT;
    int64_t user_id, group_id, id = 0;

    if (find_owner(job, &user_id, &group_id, e) != 0 ||
        row_take(&row, folder_settable, job->args, e) != 0)
        return -1;
    if (user_id >= 0)
        row_put_int(&row, "user_id", user_id);
    if (group_id >= 0)
        row_put_int(&row, "group_id", group_id);
    if (row.count == 0)
        row_put_text(&row, "virtual_path", NULL);
    if (row_insert(job->db, "folders", &row, &id, e) != 0)
        return err_wrap(e, "could not add the folder");
    config_note(job, "folder %lld added", (long long)id);
    return answer_folder(job, id, e);
}

static int
set(struct config_job *job, struct err *e)
{
    struct row row = ROW_INIT;
    int64_t id = 0, found;

    if (json_member_int(job->args, "id", true, &id, e) != 0 ||
        row_take(&row, folder_settable, job->args, e) != 0 ||
        row_number(job->db, "SELECT id FROM folders WHERE id = ?1", id, -1,
            &found, e) != 0)
        return -1;
    if (found == -1) {
        err_set(e, ERR_NOT_FOUND, "folder %lld does not exist", (long long)id);
        err_hint(e, "\"lockstep folder list\" shows what there is.");
        return -1;
    }
    if (row_update(job->db, "folders", id, &row, e) != 0)
        return err_wrap(e, "could not change folder %lld", (long long)id);
    config_note(job, "folder %lld changed", (long long)id);
    return answer_folder(job, id, e);
}

static int
remove_folder(struct config_job *job, struct err *e)
{
    int64_t id = 0;

    if (json_member_int(job->args, "id", true, &id, e) != 0 ||
        row_delete(job->db, "folders", id, "the folder", e) != 0)
        return -1;
    config_note(job, "folder %lld removed", (long long)id);
    job->result = json_pack("{s:I}", "removed", (json_int_t)id);
    return 0;
}

static void
folder_list(struct control_call *call)
{
    config_read(call, list);
}

static void
folder_add(struct control_call *call)
{
    config_write(call, add);
}

static void
folder_set(struct control_call *call)
{
    config_write(call, set);
}

static void
folder_remove(struct control_call *call)
{
    config_write(call, remove_folder);
}

static const char *const list_arguments[] = { "user", "group", NULL };
static const char *const add_arguments[] = { "user", "group", "virtual_path",
    "real_path", "permissions", NULL };
static const char *const set_arguments[] = { "id", "virtual_path", "real_path",
    "permissions", NULL };
static const char *const id_argument[] = { "id", NULL };

const struct control_command control_folder_commands[] = {
    { "folder list", 0, ROLE_VIEWER, list_arguments, folder_list },
    { "folder add", CONTROL_CHANGES, ROLE_ADMIN, add_arguments, folder_add },
    { "folder set", CONTROL_CHANGES, ROLE_ADMIN, set_arguments, folder_set },
    { "folder remove", CONTROL_CHANGES, ROLE_ADMIN, id_argument,
        folder_remove },
    { NULL, 0, ROLE_NONE, NULL, NULL },
};

/*
 * Commands "config ...": the settings of the SFTP service, by name.
 */
#include "base/json.h"
#include "daemon/config_constraint.h"
#include "daemon/config_job.h"
#include "daemon/config_row.h"
#include "sync/open.h"

static const struct row_field setting_shown[] = {
    { "name", NULL, ROW_TEXT },
    { "value", NULL, ROW_TEXT },
    { NULL, NULL, ROW_TEXT },
};

static int
list(struct config_job *job, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    json_t *settings = NULL;

    if (row_query(job->db, "SELECT name, value FROM settings ORDER BY name", -1,
            &stmt, e) != 0 ||
        row_json_all(job->db, stmt, setting_shown, &settings, e) != 0)
        return -1;
    job->result = json_pack("{s:o}", "settings", settings);
    return 0;
}

static int
not_set(const char *name, struct err *e)
{
    err_set(e, ERR_NOT_FOUND, "setting \"%s\" is not set", name);
    err_hint(e, "\"lockstep config list\" shows what is set.");
    return -1;
}

static int
get(struct config_job *job, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    const char *name = NULL;
    int rc, r = 0;

    if (json_member_string(job->args, "name", true, &name, e) != 0 ||
        row_query(job->db, "SELECT name, value FROM settings WHERE name = ?1",
            -1, &stmt, e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        job->result = row_json(stmt, setting_shown);
    else
        r = rc == SQLITE_DONE ? not_set(name, e) : config_refusal(job->db, e);
    sqlite3_finalize(stmt);
    return r;
}

static int
set(struct config_job *job, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    const char *name = NULL, *value = NULL;
    int r = 0;

    if (json_member_string(job->args, "name", true, &name, e) != 0 ||
        json_member_string(job->args, "value", true, &value, e) != 0 ||
        database_prepare(job->db,
            "INSERT INTO settings (name, value) VALUES (?1, ?2)"
            " ON CONFLICT DO UPDATE SET value = excluded.value",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, value, -1, SQLITE_STATIC);
    if (sqlite3_step(stmt) != SQLITE_DONE) {
        r = config_refusal(job->db, e);
        err_wrap(e, "could not set \"%s\"", name);
    }
    sqlite3_finalize(stmt);
    if (r != 0)
        return -1;
    config_note(job, "setting \"%s\" set", name);
    job->result = json_pack("{s:s,s:s}", "name", name, "value", value);
    return 0;
}

static int
unset(struct config_job *job, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    const char *name = NULL;
    int r = 0;

    if (json_member_string(job->args, "name", true, &name, e) != 0 ||
        database_prepare(job->db, "DELETE FROM settings WHERE name = ?1", &stmt,
            e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    if (sqlite3_step(stmt) != SQLITE_DONE)
        r = config_refusal(job->db, e);
    else if (sqlite3_changes(job->db) == 0)
        r = not_set(name, e);
    sqlite3_finalize(stmt);
    if (r != 0)
        return -1;
    config_note(job, "setting \"%s\" unset", name);
    job->result = json_pack("{s:s}", "removed", name);
    return 0;
}

static void
setting_list(struct control_call *call)
{
    config_read(call, list);
}

static void
setting_get(struct control_call *call)
{
    config_read(call, get);
}

static void
setting_set(struct control_call *call)
{
    config_write(call, set);
}

static void
setting_unset(struct control_call *call)
{
    config_write(call, unset);
}

static const char *const no_arguments[] = { NULL };
static const char *const name_argument[] = { "name", NULL };
static const char *const set_arguments[] = { "name", "value", NULL };

const struct control_command control_setting_commands[] = {
    { "config list", 0, ROLE_VIEWER, no_arguments, setting_list },
    { "config get", 0, ROLE_VIEWER, name_argument, setting_get },
    { "config set", CONTROL_CHANGES, ROLE_ADMIN, set_arguments, setting_set },
    { "config unset", CONTROL_CHANGES, ROLE_ADMIN, name_argument,
        setting_unset },
    { NULL, 0, ROLE_NONE, NULL, NULL },
};

/*
 * Commands "admin ...": the administrators of the cluster, in dataset admins,
 * and the one account "admin" that every node keeps for itself.
 */
#include "daemon/admins.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "daemon/accounts.h"
#include "daemon/config_constraint.h"
#include "daemon/config_row.h"
#include "daemon/engine.h"
#include "daemon/events.h"

#define LOCAL_ADMIN "admin"
#define PASSWORD_MIN 8

static const struct row_field admin_shown[] = {
    { "name", NULL, ROW_TEXT },
    { "role", NULL, ROW_TEXT },
    { "comment", NULL, ROW_TEXT },
    { "local", NULL, ROW_BOOL },
    { "keys", NULL, ROW_INT },
    { NULL, NULL, ROW_TEXT },
};

#define ADMIN_COLUMNS          \
    "name, role, comment, 0, " \
    "(SELECT count(*) FROM admin_keys WHERE admin_id = admins.id)"

static json_t *
local_admin_json(void)
{
    return json_pack("{s:s,s:s,s:s,s:b,s:i}", "name", LOCAL_ADMIN, "role",
        "admin", "comment", "of this node alone", "local", 1, "keys", 0);
}

int
admin_find(struct config_job *job, const char **name, int64_t *id,
    struct err *e)
{
    if (json_member_string(job->args, "name", true, name, e) != 0)
        return -1;
    if (strcmp(*name, LOCAL_ADMIN) == 0) {
        err_set(e, ERR_INVALID, "\"%s\" is the account of this node alone",
            LOCAL_ADMIN);
        err_hint(e, "It has a password and cannot be removed; use another "
                    "administrator for this.");
        return -1;
    }
    return row_find(job->db, "admins", "administrator", *name, id, e);
}

/* The hash of argument "password", in a fresh string; blocks. */
static char *
take_password(const json_t *args, struct err *e)
{
    const char *password = NULL;

    if (json_member_string(args, "password", true, &password, e) != 0)
        return NULL;
    if (strlen(password) < PASSWORD_MIN) {
        err_set(e, ERR_INVALID, "the password is too short");
        err_hint(e, "Use at least %d characters.", PASSWORD_MIN);
        return NULL;
    }
    return password_hash(password, e);
}

static int
answer_admin(struct config_job *job, int64_t id, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int r = 0;

    if (row_query(job->db, "SELECT " ADMIN_COLUMNS " FROM admins WHERE id = ?1",
            id, &stmt, e) != 0)
        return -1;
    if (sqlite3_step(stmt) == SQLITE_ROW)
        job->result = json_pack("{s:o}", "admin", row_json(stmt, admin_shown));
    else
        r = config_refusal(job->db, e);
    sqlite3_finalize(stmt);
    return r;
}

static int
list(struct config_job *job, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    json_t *admins = NULL;

    if (row_query(job->db, "SELECT " ADMIN_COLUMNS " FROM admins ORDER BY name",
            -1, &stmt, e) != 0 ||
        row_json_all(job->db, stmt, admin_shown, &admins, e) != 0)
        return -1;
    json_array_insert_new(admins, 0, local_admin_json());
    job->result = json_pack("{s:o}", "admins", admins);
    return 0;
}

static int
add(struct config_job *job, struct err *e)
{
    static const struct row_field fields[] = {
        { "name", "name", ROW_TEXT },
        { "role", "role", ROW_TEXT },
        { "comment", "comment", ROW_TEXT },
        { NULL, NULL, ROW_TEXT },
    };
    struct row row = ROW_INIT;
    const char *name = NULL;
    char *hash = NULL;
    int64_t id = 0;
    int r = -1;

    if (json_member_string(job->args, "name", true, &name, e) != 0 ||
        row_take(&row, fields, job->args, e) != 0)
        goto out;
    hash = take_password(job->args, e);
    if (hash == NULL)
        goto out;
    row_put_text(&row, "password_hash", hash);
    if (row_insert(job->db, "admins", &row, &id, e) != 0) {
        err_wrap(e, "could not add administrator \"%s\"", name);
        goto out;
    }
    config_note(job, "administrator \"%s\" added", name);
    r = answer_admin(job, id, e);
out:
    free(hash);
    return r;
}

static int
remove_admin(struct config_job *job, struct err *e)
{
    const char *name;
    int64_t id;

    if (admin_find(job, &name, &id, e) != 0 ||
        row_delete(job->db, "admins", id, "the administrator", e) != 0)
        return -1;
    config_note(job, "administrator \"%s\" removed", name);
    job->result = json_pack("{s:s}", "removed", name);
    return 0;
}

static int
passwd(struct config_job *job, struct err *e)
{
    struct row row = ROW_INIT;
    const char *name;
    char *hash;
    int64_t id;
    int r = -1;

    if (admin_find(job, &name, &id, e) != 0)
        return -1;
    hash = take_password(job->args, e);
    if (hash == NULL)
        return -1;
    row_put_text(&row, "password_hash", hash);
    if (row_update(job->db, "admins", id, &row, e) != 0) {
        err_wrap(e, "could not change administrator \"%s\"", name);
        goto out;
    }
    config_note(job, "password of administrator \"%s\" changed", name);
    r = answer_admin(job, id, e);
out:
    free(hash);
    return r;
}

/* The local account's hash is made on the strand and kept, by the loop, in the
 * node's store: the dataset is not touched. */
static int
hash_local_password(struct config_job *job, struct err *e)
{
    char *hash = take_password(job->args, e);

    if (hash == NULL)
        return -1;
    job->result = json_string(hash);
    free(hash);
    return 0;
}

static int
store_local_password(struct config_job *job, struct err *e)
{
    if (accounts_set_local_password(job->engine->accounts,
            json_string_value(job->result), e) != 0)
        return -1;
    events_add(job->engine->events, "info", "changed", NULL, NULL,
        "%s: password of the local administrator changed",
        control_who(job->call));
    json_decref(job->result);
    job->result = json_pack("{s:o}", "admin", local_admin_json());
    return 0;
}

static void
admin_passwd(struct control_call *call)
{
    static const struct config_task local = {
        .dataset = "admins",
        .work = hash_local_password,
        .after = store_local_password,
    };
    static const struct config_task shared = { .dataset = "admins",
        .write = true,
        .work = passwd };
    const struct node *node = &control_engine(call)->node;
    const char *name = "";
    struct err e = ERR_INIT;

    if (json_member_string(control_args(call), "name", true, &name, &e) != 0) {
        control_fail(call, &e);
    } else if (strcmp(name, LOCAL_ADMIN) == 0) {
        config_run(call, &local, NULL);
    } else if (node->role == NODE_SECONDARY) {
        err_set(&e, ERR_NOT_PRIMARY,
            "this node is a secondary: its administrators are changed on the "
            "primary \"%s\"",
            node->primary_name);
        err_hint(&e,
            "Run the command on %s; only the account \"%s\" belongs "
            "to this node.",
            node->primary_address, LOCAL_ADMIN);
        control_fail(call, &e);
    } else {
        config_run(call, &shared, NULL);
    }
}

void
admins_read(struct control_call *call,
    int (*work)(struct config_job *job, struct err *e))
{
    config_run(call, &(struct config_task){ .dataset = "admins", .work = work },
        NULL);
}

void
admins_write(struct control_call *call,
    int (*work)(struct config_job *job, struct err *e))
{
    config_run(call,
        &(struct config_task){ .dataset = "admins",
            .write = true,
            .work = work },
        NULL);
}

static void
admin_list(struct control_call *call)
{
    admins_read(call, list);
}

static void
admin_add(struct control_call *call)
{
    admins_write(call, add);
}

static void
admin_remove(struct control_call *call)
{
    admins_write(call, remove_admin);
}

static const char *const no_arguments[] = { NULL };
static const char *const name_argument[] = { "name", NULL };
static const char *const add_arguments[] = { "name", "role", "comment",
    "password", NULL };
static const char *const passwd_arguments[] = { "name", "password", NULL };
static const char *const key_arguments[] = { "name", "key", NULL };

const struct control_command control_admin_commands[] = {
    { "admin list", 0, ROLE_ADMIN, no_arguments, admin_list },
    { "admin add", CONTROL_CHANGES, ROLE_ADMIN, add_arguments, admin_add },
    { "admin remove", CONTROL_CHANGES, ROLE_ADMIN, name_argument,
        admin_remove },
    { "admin passwd", 0, ROLE_ADMIN, passwd_arguments, admin_passwd },
    { "admin key add", CONTROL_CHANGES, ROLE_ADMIN, key_arguments,
        admin_key_add },
    { "admin key list", 0, ROLE_ADMIN, name_argument, admin_key_list },
    { "admin key remove", CONTROL_CHANGES, ROLE_ADMIN, key_arguments,
        admin_key_remove },
    { NULL, 0, ROLE_NONE, NULL, NULL },
};

/*
 * What the commands on users share with those on their keys and folders.
 */
#ifndef DAEMON_CONFIG_USERS_H
#define DAEMON_CONFIG_USERS_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "daemon/config_job.h"
#include "daemon/config_row.h"

/* The user that argument "name" names: its id, and the borrowed name. */
int user_find(struct config_job *job, const char **name, int64_t *id,
    struct err *e);
/* [{id, type, fingerprint, comment, key}] of a user. */
int user_keys_json(sqlite3 *db, int64_t user_id, json_t **keys, struct err *e);
/* [{id, user, group, virtual_path, real_path, permissions}]: of a user, of a
 * group, or all; -1 is no condition. */
int folders_json(sqlite3 *db, int64_t user_id, int64_t group_id,
    json_t **folders, struct err *e);

/* What is shown of a user, to be selected from "users", and its members. */
#define USER_KEYS "(SELECT count(*) FROM user_keys WHERE user_id = users.id)"
#define USER_COLUMNS                                           \
    "name, uid, gid, home, shell, enabled, expires, comment, " \
    "password_hash IS NOT NULL, " USER_KEYS
extern const struct row_field user_shown[];

/* "user list" and "user key add|list|remove": see control_user_commands. */
void user_list(struct control_call *call);
void user_key_add(struct control_call *call);
void user_key_list(struct control_call *call);
void user_key_remove(struct control_call *call);

#endif

/*
 * The translation of constraint failures.
 */
#include "daemon/config_constraint.h"

#include <stddef.h>
#include <string.h>

#include "sync/open.h"

static const char name_hint[] =
    "Use 1 to 32 lower-case letters, digits, \"_\", \"-\" or \".\", beginning "
    "with a letter or \"_\".";
static const char path_hint[] =
    "Give a path from the root, without \"..\", \".\" or \"//\" in it.";
static const char id_hint[] =
    "Use a number from 1 to 4294967294, but not 65535.";

/* The last part of SQLite's message: a constraint's name, or TABLE.COLUMN. */
static const struct refusal {
    const char *constraint;
    enum err_code code;
    const char *message;
    const char *hint;
} refusals[] = {
    { "user_name", ERR_INVALID, "the name is not a user name", name_hint },
    { "user_password", ERR_INVALID, "the password hash is of an unknown form",
        "Give a hash of crypt(5) that begins with $y$ (yescrypt) or $6$ "
        "(SHA-512)." },
    { "user_uid", ERR_INVALID, "the uid is out of range", id_hint },
    { "user_gid", ERR_INVALID, "the gid is out of range", id_hint },
    { "user_home", ERR_INVALID, "the home is not a clean absolute path",
        path_hint },
    { "user_shell", ERR_INVALID, "the shell is not a clean absolute path",
        path_hint },
    { "user_enabled", ERR_INVALID, "enabled is neither yes nor no",
        "Use yes or no." },
    { "expires", ERR_INVALID, "the expiry is out of range",
        "Use a date from 1970 to 9999, or \"never\"." },
    { "text_comment", ERR_INVALID, "the comment is not plain text",
        "Use at most 1000 characters without control characters." },
    { "user_key", ERR_INVALID, "the key is not of its type",
        "Give a line of an OpenSSH .pub file." },
    { "group_name", ERR_INVALID, "the name is not a group name", name_hint },
    { "group_gid", ERR_INVALID, "the gid is out of range", id_hint },
    { "folder_owner", ERR_INVALID, "a folder belongs to one user or one group",
        "Give either a user or a group." },
    { "folder_virtual_path", ERR_INVALID,
        "the virtual path is not a clean absolute path", path_hint },
    { "folder_real_path", ERR_INVALID,
        "the real path is not a clean absolute path", path_hint },
    { "folder_permissions", ERR_INVALID, "the permissions are unknown",
        "Use read, write or read-write." },
    { "rule_position", ERR_INVALID, "the position is out of range",
        "Positions begin at 1." },
    { "rule_action", ERR_INVALID, "the action is unknown",
        "Use allow or deny." },
    { "rule_address", ERR_INVALID, "the address is malformed",
        "Give an address, a prefix such as 10.0.0.0/8 or a range such as "
        "10.0.0.1-10.0.0.9." },
    { "rule_scope", ERR_INVALID, "the scope is unknown",
        "Use admin, service or both." },
    { "setting_name", ERR_INVALID, "the name is not a setting's name",
        "Use 1 to 64 lower-case letters, digits, \"_\", \"-\" or \".\", "
        "beginning with a letter." },
    { "setting_value", ERR_INVALID, "the value is too long",
        "Use at most 65536 characters." },
    { "admin_name", ERR_INVALID, "the name is not an administrator's name",
        name_hint },
    { "admin_reserved", ERR_EXISTS, "the name is reserved",
        "\"admin\", \"local\" and \"lockstep\" are accounts that every node "
        "has; choose another name." },
    { "admin_role", ERR_INVALID, "the role is unknown",
        "Use admin or viewer." },
    { "admin_password", ERR_INVALID, "the password hash is malformed",
        "Set the password with \"lockstep admin passwd\"." },
    { "admin_key", ERR_INVALID, "the key is not an Ed25519 key",
        "Give a line of an OpenSSH .pub file that begins with ssh-ed25519." },
    { "users.name", ERR_EXISTS, "the name is taken",
        "Choose another name, or change the user that has it." },
    { "groups.name", ERR_EXISTS, "the name is taken",
        "Choose another name, or change the group that has it." },
    { "groups.gid", ERR_EXISTS, "another group has this gid",
        "Choose another gid, or leave it out to get a free one." },
    { "user_keys.user_id", ERR_EXISTS, "the user has this key already",
        "\"lockstep user key list\" shows the keys." },
    { "group_members.group_id", ERR_EXISTS, "the user is a member already",
        "\"lockstep group list\" shows the members." },
    { "folders.user_id", ERR_EXISTS,
        "the user has a folder at this virtual path",
        "Remove it first, or choose another virtual path." },
    { "folders.group_id", ERR_EXISTS,
        "the group has a folder at this virtual path",
        "Remove it first, or choose another virtual path." },
    { "settings.name", ERR_EXISTS, "the setting exists",
        "Set it to another value instead." },
    { "admins.name", ERR_EXISTS, "the name is taken",
        "Choose another name, or remove the administrator that has it." },
    { "admin_keys.admin_id", ERR_EXISTS,
        "the administrator has this key already",
        "\"lockstep admin key list\" shows the keys." },
};

static const struct refusal *
find(const char *constraint, size_t len)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (strlen(refusals[i].constraint) == len &&
            strncmp(refusals[i].constraint, constraint, len) == 0)
            return &refusals[i];
    return NULL;
}

int
config_refusal(sqlite3 *db, struct err *e)
{
    const struct refusal *refusal = NULL;
    const char *text = sqlite3_errmsg(db);
    const char *tail = strstr(text, "failed: ");

    if ((sqlite3_errcode(db) & 0xff) != SQLITE_CONSTRAINT)
        return database_error(db, e, "could not use the database");
    if (tail != NULL && strncmp(text, "NOT NULL", 8) == 0) {
        const char *column = strrchr(tail, '.');

        err_set(e, ERR_INVALID, "\"%s\" is missing or empty",
            column != NULL ? column + 1 : tail + strlen("failed: "));
        err_hint(e, "Give it a value.");
        return -1;
    }
    if (tail != NULL) {
        tail += strlen("failed: ");
        /* Of "UNIQUE constraint failed: a.x, a.y" the first column. */
        refusal = find(tail, strcspn(tail, ","));
    }
    if (refusal == NULL)
        return err_set(e, ERR_INVALID, "%s", text);
    err_set(e, refusal->code, "%s", refusal->message);
    err_hint(e, "%s", refusal->hint);
    return -1;
}

/*
 * user: the accounts of the SFTP service.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "manager-tui/cli.h"
#include "manager-tui/key_line.h"
#include "manager-tui/results.h"

#define PAGE 5000

static const struct column list_columns[] = {
    { "NAME", "name", COLUMN_TEXT, false },
    { "UID", "uid", COLUMN_TEXT, false },
    { "GID", "gid", COLUMN_TEXT, false },
    { "HOME", "home", COLUMN_TEXT, true },
    { "ENABLED", "enabled", COLUMN_YES_NO, false },
    { "KEYS", "keys", COLUMN_TEXT, false },
    { "EXPIRES", "expires", COLUMN_AGE, false },
    { "COMMENT", "comment", COLUMN_TEXT, true },
    COLUMNS_END,
};

static const struct view list_views[] = {
    { "users", true, list_columns, "No users." },
    VIEWS_END,
};

static const struct column user_columns[] = {
    { "name", "name", COLUMN_TEXT, false },
    { "uid", "uid", COLUMN_TEXT, false },
    { "gid", "gid", COLUMN_TEXT, false },
    { "home", "home", COLUMN_TEXT, false },
    { "shell", "shell", COLUMN_TEXT, false },
    { "enabled", "enabled", COLUMN_YES_NO, false },
    { "password", "has_password", COLUMN_YES_NO, false },
    { "expires", "expires", COLUMN_TIME, false },
    { "comment", "comment", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct column group_columns[] = {
    { "GROUP", "name", COLUMN_TEXT, false },
    { "GID", "gid", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct column folder_columns[] = {
    { "FOLDER", "virtual_path", COLUMN_TEXT, false },
    { "IS", "real_path", COLUMN_TEXT, true },
    { "PERMISSIONS", "permissions", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct view user_views[] = {
    { "user", false, user_columns, NULL },
    { "user.keys", true, key_columns, NULL },
    { "user.groups", true, group_columns, NULL },
    { "user.folders", true, folder_columns, NULL },
    VIEWS_END,
};

/* Without --limit all users, page by page: one answer stays bounded. */
static int
run_list(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    json_t *result = NULL, *page = NULL;
    bool all = json_object_get(args, "limit") == NULL;
    int64_t offset = 0;
    size_t got;

    if (json_member_int(args, "offset", false, &offset, e) != 0)
        return -1;
    do {
        if (all)
            json_object_set_new(args, "limit", json_integer(PAGE));
        json_object_set_new(args, "offset", json_integer(offset));
        if (cli_control(cli, "user list", args, 0, &page, e) != 0) {
            json_decref(result);
            return -1;
        }
        got = json_array_size(json_object_get(page, "users"));
        offset += (int64_t)got;
        if (result == NULL) {
            result = page;
            continue;
        }
        json_array_extend(json_object_get(result, "users"),
            json_object_get(page, "users"));
        json_decref(page);
    } while (all && got == PAGE);
    cli_show(cli, result, command->views);
    json_decref(result);
    return 0;
}

static int
run_passwd(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    const char *name = "";
    char secret[SECRET_SIZE];
    int r = 0;

    if (json_member_string(args, "name", true, &name, e) != 0)
        return -1;
    if (json_object_get(args, "password") == NULL &&
        json_object_get(args, "password_hash") == NULL &&
        json_object_get(args, "disable") == NULL) {
        r = cli_new_password(cli, NULL, name, secret, e);
        if (r == 0)
            json_object_set_new(args, "password", json_string(secret));
        explicit_bzero(secret, sizeof(secret));
    }
    return r == 0 ? cli_run_plain(cli, command, args, e) : -1;
}

#define USER_OPTIONS                                                        \
    { "uid", "N", OPTION_INT, "uid", "default: the next free from 10000" }, \
        { "gid", "N", OPTION_INT, "gid", "default: the uid" },              \
        { "home", "PATH", OPTION_TEXT, "home", "default: /srv/sftp/NAME" }, \
        { "shell", "PATH", OPTION_TEXT, "shell", "default: none" },         \
        { "enabled", "yes|no", OPTION_YES_NO, "enabled",                    \
            "whether it may log in" },                                      \
        { "expires", "TIME", OPTION_TIME, "expires",                        \
            "a date, a time, 30d, or never" },                              \
        { "comment", "TEXT", OPTION_TEXT, "comment", "free text" },         \
        { "password-file", "FILE", OPTION_SECRET, "password",               \
            "read its password from FILE (\"-\" is stdin)" },               \
    {                                                                       \
        "password-hash-file", "FILE", OPTION_SECRET, "password_hash",       \
            "read a hash of crypt(5), $y$ or $6$, from FILE"                \
    }

static const struct option list_options[] = {
    { "filter", "TEXT", OPTION_TEXT, "filter", "in name or comment" },
    { "limit", "N", OPTION_INT, "limit", "at most so many" },
    { "offset", "N", OPTION_INT, "offset", "without the first so many" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

static const struct option add_options[] = {
    USER_OPTIONS,
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

static const struct option set_options[] = {
    { "new-name", "NAME", OPTION_TEXT, "new_name", "rename" },
    USER_OPTIONS,
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

static const struct option passwd_options[] = {
    { "password-file", "FILE", OPTION_SECRET, "password",
        "read it from FILE (\"-\" is stdin)" },
    { "password-hash-file", "FILE", OPTION_SECRET, "password_hash",
        "read a hash of crypt(5), $y$ or $6$, from FILE" },
    { "disable", NULL, OPTION_FLAG, "disable", "no password login at all" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

const struct command user_commands[] = {
    { "user", "add", "NAME", "add a user",
        "user add ann --comment \"Ann Smith\"\n"
        "user add ann --home /srv/sftp/ann --expires 2027-01-31\n"
        "user add ann --password-file ann.password\n",
        "name", add_options, NULL, user_views },
    { "user", "list", "", "all users",
        "user list\nuser list --filter smith --json\n", "", list_options,
        run_list, list_views },
    { "user", "show", "NAME", "one user, with keys, groups and folders",
        "user show ann\n", "name", NULL, NULL, user_views },
    { "user", "set", "NAME", "change a user",
        "user set ann --enabled no\nuser set ann --expires never\n", "name",
        set_options, NULL, user_views },
    { "user", "remove", "NAME", "remove a user, its keys and folders",
        "user remove ann\n", "name", NULL, NULL, removed_views },
    { "user", "passwd", "NAME", "set a user's password",
        "user passwd ann\nuser passwd ann --password-file - < file\n"
        "user passwd ann --disable\n",
        "name", passwd_options, run_passwd, user_views },
    { "user", "key add", "NAME FILE|KEY",
        "let a user log in with a key: a .pub file, its line, or \"-\"",
        "user key add ann ann.pub\n"
        "user key add ann \"ssh-ed25519 AAAA... ann@laptop\"\n",
        "name key*", NULL, key_line_run, key_views },
    { "user", "key list", "NAME", "a user's keys", "user key list ann\n",
        "name", NULL, NULL, key_views },
    { "user", "key remove", "NAME KEY",
        "remove a key, named by id, fingerprint or comment",
        "user key remove ann ann@laptop\n", "name key", NULL, NULL,
        removed_views },
    { .noun = NULL },
};

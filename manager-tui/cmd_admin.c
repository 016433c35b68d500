/*
 * admin: who administers the cluster.
 */
#include <string.h>

#include "base/json.h"
#include "manager-tui/cli.h"
#include "manager-tui/key_line.h"
#include "manager-tui/results.h"

static const struct column list_columns[] = {
    { "NAME", "name", COLUMN_TEXT, false },
    { "ROLE", "role", COLUMN_TEXT, false },
    { "LOCAL", "local", COLUMN_YES_NO, false },
    { "KEYS", "keys", COLUMN_TEXT, false },
    { "COMMENT", "comment", COLUMN_TEXT, true },
    COLUMNS_END,
};

static const struct column one_columns[] = {
    { "name", "name", COLUMN_TEXT, false },
    { "role", "role", COLUMN_TEXT, false },
    { "local", "local", COLUMN_YES_NO, false },
    { "keys", "keys", COLUMN_TEXT, false },
    { "comment", "comment", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct view views[] = {
    { "admin", false, one_columns, NULL },
    { "admins", true, list_columns, "No administrators." },
    VIEWS_END,
};

/* add and passwd: both need a password, from the file or typed twice. */
static int
run_with_password(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    const char *name = "";
    char secret[SECRET_SIZE];
    int r = 0;

    if (json_member_string(args, "name", true, &name, e) != 0)
        return -1;
    if (json_object_get(args, "password") == NULL) {
        r = cli_new_password(cli, NULL, name, secret, e);
        if (r == 0)
            json_object_set_new(args, "password", json_string(secret));
        explicit_bzero(secret, sizeof(secret));
    }
    return r == 0 ? cli_run_plain(cli, command, args, e) : -1;
}

static const struct option add_options[] = {
    { "role", "admin|viewer", OPTION_TEXT, "role", "default: admin" },
    { "comment", "TEXT", OPTION_TEXT, "comment", "free text" },
    { "password-file", "FILE", OPTION_SECRET, "password",
        "read the password from FILE (\"-\" is stdin)" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

static const struct option passwd_options[] = {
    { "password-file", "FILE", OPTION_SECRET, "password",
        "read the password from FILE (\"-\" is stdin)" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

const struct command admin_commands[] = {
    { "admin", "list", "", "the administrators", "admin list\n", "", NULL, NULL,
        views },
    { "admin", "add", "NAME", "add an administrator of the cluster",
        "admin add carol\nadmin add monitor --role viewer "
        "--password-file monitor.password\n",
        "name", add_options, run_with_password, views },
    { "admin", "remove", "NAME", "remove an administrator",
        "admin remove carol\n", "name", NULL, NULL, removed_views },
    { "admin", "passwd", "NAME",
        "set a password; \"admin\" is this node's own account",
        "admin passwd admin\nadmin passwd carol --password-file - < file\n",
        "name", passwd_options, run_with_password, views },
    { "admin", "key add", "NAME FILE|KEY",
        "let an administrator log in with an Ed25519 key",
        "admin key add carol carol.pub\n", "name key*", NULL, key_line_run,
        key_views },
    { "admin", "key list", "NAME", "an administrator's keys",
        "admin key list carol\n", "name", NULL, NULL, key_views },
    { "admin", "key remove", "NAME KEY",
        "remove a key, named by id, fingerprint or comment",
        "admin key remove carol carol@laptop\n", "name key", NULL, NULL,
        removed_views },
    { .noun = NULL },
};

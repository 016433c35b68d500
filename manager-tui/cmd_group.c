/*
 * group: groups of the SFTP service's users.
 */
#include "manager-tui/cli.h"
#include "manager-tui/results.h"

static const struct column list_columns[] = {
    { "NAME", "name", COLUMN_TEXT, false },
    { "GID", "gid", COLUMN_TEXT, false },
    { "MEMBERS", "members", COLUMN_LIST, true },
    { "COMMENT", "comment", COLUMN_TEXT, true },
    COLUMNS_END,
};

static const struct column one_columns[] = {
    { "name", "name", COLUMN_TEXT, false },
    { "gid", "gid", COLUMN_TEXT, false },
    { "members", "members", COLUMN_LIST, false },
    { "comment", "comment", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct view views[] = {
    { "group", false, one_columns, NULL },
    { "groups", true, list_columns, "No groups." },
    VIEWS_END,
};

static const struct option add_options[] = {
    { "gid", "N", OPTION_INT, "gid", "default: the next free from 10000" },
    { "comment", "TEXT", OPTION_TEXT, "comment", "free text" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

static const struct option set_options[] = {
    { "new-name", "NAME", OPTION_TEXT, "new_name", "rename" },
    { "gid", "N", OPTION_INT, "gid", "another gid" },
    { "comment", "TEXT", OPTION_TEXT, "comment", "free text" },
    { "add", "USER,...", OPTION_LIST, "add", "new members" },
    { "remove", "USER,...", OPTION_LIST, "remove", "members that leave" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

const struct command group_commands[] = {
    { "group", "add", "NAME", "add a group",
        "group add staff\ngroup add staff --gid 20000\n", "name", add_options,
        NULL, views },
    { "group", "list", "", "all groups and their members", "group list\n", "",
        NULL, NULL, views },
    { "group", "set", "NAME", "change a group or its members",
        "group set staff --add ann,bob\ngroup set staff --remove ann\n", "name",
        set_options, NULL, views },
    { "group", "remove", "NAME", "remove a group", "group remove staff\n",
        "name", NULL, NULL, removed_views },
    { .noun = NULL },
};

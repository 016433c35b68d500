/*
 * folder: what a user or a group sees of the file system.
 */
#include "manager-tui/cli.h"
#include "manager-tui/results.h"

static const struct column list_columns[] = {
    { "ID", "id", COLUMN_TEXT, false },
    { "USER", "user", COLUMN_TEXT, false },
    { "GROUP", "group", COLUMN_TEXT, false },
    { "VIRTUAL PATH", "virtual_path", COLUMN_TEXT, true },
    { "REAL PATH", "real_path", COLUMN_TEXT, true },
    { "PERMISSIONS", "permissions", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct column one_columns[] = {
    { "id", "id", COLUMN_TEXT, false },
    { "user", "user", COLUMN_TEXT, false },
    { "group", "group", COLUMN_TEXT, false },
    { "virtual path", "virtual_path", COLUMN_TEXT, false },
    { "real path", "real_path", COLUMN_TEXT, false },
    { "permissions", "permissions", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct view views[] = {
    { "folder", false, one_columns, NULL },
    { "folders", true, list_columns, "No folders." },
    VIEWS_END,
};

static const struct option list_options[] = {
    { "user", "NAME", OPTION_TEXT, "user", "of this user" },
    { "group", "NAME", OPTION_TEXT, "group", "of this group" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

static const struct option add_options[] = {
    { "user", "NAME", OPTION_TEXT, "user", "whose it is" },
    { "group", "NAME", OPTION_TEXT, "group", "or which group's" },
    { "permissions", "read|write|read-write", OPTION_TEXT, "permissions",
        "what is allowed there" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

static const struct option set_options[] = {
    { "virtual-path", "PATH", OPTION_TEXT, "virtual_path",
        "as clients see it" },
    { "real-path", "PATH", OPTION_TEXT, "real_path", "where it is" },
    { "permissions", "read|write|read-write", OPTION_TEXT, "permissions",
        "what is allowed there" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

const struct command folder_commands[] = {
    { "folder", "add",
        "VIRTUAL REAL --user NAME|--group NAME --permissions WORD",
        "show a folder to a user or a group",
        "folder add /in /srv/exchange/in --user ann --permissions write\n"
        "folder add /docs /srv/docs --group staff --permissions read\n",
        "virtual_path real_path", add_options, NULL, views },
    { "folder", "list", "", "all folders, or those of a user or group",
        "folder list\nfolder list --user ann\n", "", list_options, NULL,
        views },
    { "folder", "set", "ID", "change a folder",
        "folder set 7 --permissions read\n", "#id", set_options, NULL, views },
    { "folder", "remove", "ID", "take a folder away; its files stay",
        "folder remove 7\n", "#id", NULL, NULL, removed_views },
    { .noun = NULL },
};

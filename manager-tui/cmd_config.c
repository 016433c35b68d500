/*
 * config: settings of the SFTP service.
 */
#include "manager-tui/cli.h"
#include "manager-tui/results.h"

static const struct column list_columns[] = {
    { "NAME", "name", COLUMN_TEXT, false },
    { "VALUE", "value", COLUMN_TEXT, true },
    COLUMNS_END,
};

static const struct column value_columns[] = {
    { "value", "value", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct view views[] = {
    { "", false, value_columns, NULL },
    { "settings", true, list_columns, "Nothing is set." },
    VIEWS_END,
};

const struct command config_commands[] = {
    { "config", "list", "", "all settings", "config list\n", "", NULL, NULL,
        views },
    { "config", "get", "NAME", "one setting", "config get banner\n", "name",
        NULL, NULL, views },
    { "config", "set", "NAME VALUE", "set a setting",
        "config set banner \"Welcome\"\n", "name value", NULL, NULL, views },
    { "config", "unset", "NAME", "back to the default", "config unset banner\n",
        "name", NULL, NULL, removed_views },
    { .noun = NULL },
};

/*
 * config: settings of the SFTP service.
 */
#include <stdlib.h>

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

/* The value alone, for "$(lockstep config get NAME)". */
static int
run_get(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    json_t *result = NULL;
    char *value;

    (void)command;
    if (cli_control(cli, "config get", args, 0, &result, e) != 0)
        return -1;
    if (cli->json) {
        cli_show(cli, result, NULL);
    } else {
        value = view_cell(result, &value_columns[0]);
        puts(value);
        free(value);
    }
    json_decref(result);
    return 0;
}

const struct command config_commands[] = {
    { "config", "list", "", "all settings", "config list\n", "", NULL, NULL,
        views },
    { "config", "get", "NAME", "one setting", "config get banner\n", "name",
        NULL, run_get, views },
    { "config", "set", "NAME VALUE", "set a setting",
        "config set banner \"Welcome\"\n", "name value", NULL, NULL, views },
    { "config", "unset", "NAME", "back to the default", "config unset banner\n",
        "name", NULL, NULL, removed_views },
    { .noun = NULL },
};

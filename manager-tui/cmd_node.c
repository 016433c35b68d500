/*
 * node: what this node is.
 */
#include "manager-tui/cli.h"
#include "manager-tui/results.h"

static const struct column node_columns[] = {
    { "node", "node.name", COLUMN_TEXT, false },
    { "role", "node.role", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct view node_views[] = {
    { "", false, node_columns, NULL },
    VIEWS_END,
};

static int
run_detach(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    if (cli_confirm(cli,
            "This node will stand alone: its primary reaches it no more.  Its "
            "data is kept.",
            "detach", e) != 0)
        return -1;
    return cli_run_plain(cli, command, args, e);
}

const struct command node_commands[] = {
    { "node", "detach", "",
        "make a secondary standalone again; its data is kept",
        "node detach\nnode detach --yes\n", "", NULL, run_detach, node_views },
    { .noun = NULL },
};

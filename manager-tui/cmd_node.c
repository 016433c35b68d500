/*
 * node: what this node is.
 */
#include <string.h>

#include "base/json.h"
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

static const struct column drain_columns[] = {
    { "drained", "drained", COLUMN_YES_NO, false },
    COLUMNS_END,
};

static const struct view drain_views[] = {
    { "", false, drain_columns, NULL },
    VIEWS_END,
};

static int
run_drain(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    const char *state = "";

    if (json_member_string(args, "state", true, &state, e) != 0)
        return -1;
    if (strcmp(state, "on") != 0 && strcmp(state, "off") != 0)
        return err_set(e, ERR_USAGE, "drain is \"on\" or \"off\", not \"%s\"",
            state);
    json_object_set_new(args, "on", json_boolean(strcmp(state, "on") == 0));
    json_object_del(args, "state");
    return cli_run_plain(cli, command, args, e);
}

const struct command node_commands[] = {
    { "node", "detach", "",
        "make a secondary standalone again; its data is kept",
        "node detach\nnode detach --yes\n", "", NULL, run_detach, node_views },
    { "node", "drain", "on|off",
        "on: a load balancer sends this node no new logins, until off; it is "
        "kept over a restart",
        "node drain on\nnode drain off\n", "state", NULL, run_drain,
        drain_views },
    { .noun = NULL },
};

/*
 * status: how the node is.
 */
#include "base/json.h"
#include "manager-tui/cli.h"
#include "manager-tui/results.h"

static int
run_status(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    json_t *status = NULL;
    bool check = false, own = false, healthy = false;

    if (json_member_bool(args, "check", false, &check, e) != 0 ||
        json_member_bool(args, "own", false, &own, e) != 0 ||
        cli_control(cli, "status", NULL, 0, &status, e) != 0)
        return -1;
    /* "--check --quiet" is for its exit code, and so is "--own". */
    if (cli->json || !(check || own) || !cli->quiet)
        cli_show(cli, status, command->views);
    json_member_bool(status, "healthy", false, &healthy, e);
    if (own && json_is_null(json_object_get(status, "own_problem")))
        healthy = true;
    if ((check || own) && !healthy)
        cli->exit_code = err_exit_code(ERR_INVALID);
    json_decref(status);
    return 0;
}

static const struct option status_options[] = {
    { "check", NULL, OPTION_FLAG, "check",
        "exit 0 only if the node and its servers are as they should be" },
    { "own", NULL, OPTION_FLAG, "own",
        "exit 0 only if it is itself, however its servers are" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

const struct command status_commands[] = {
    { "status", NULL, "", "the node, its cluster and its datasets",
        "status\n"
        "status --check --quiet || mail -s lockstep root\n"
        "--connect admin@edge-1 status --json\n",
        "", status_options, run_status, status_views },
    { .noun = NULL },
};

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
    bool check = false, healthy = false;

    if (json_member_bool(args, "check", false, &check, e) != 0 ||
        cli_control(cli, "status", NULL, 0, &status, e) != 0)
        return -1;
    /* "--check --quiet" is for its exit code. */
    if (cli->json || !check || !cli->quiet)
        cli_show(cli, status, command->views);
    json_member_bool(status, "healthy", false, &healthy, e);
    if (check && !healthy)
        cli->exit_code = err_exit_code(ERR_INVALID);
    json_decref(status);
    return 0;
}

static const struct option status_options[] = {
    { "check", NULL, OPTION_FLAG, "check",
        "exit 0 only if the node is as it should be" },
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

/*
 * dataset: what is replicated.
 */
#include "base/json.h"
#include "manager-tui/changes.h"
#include "manager-tui/cli.h"
#include "manager-tui/results.h"

static const struct column list_columns[] = {
    { "NAME", "name", COLUMN_TEXT, false },
    { "REVISION", "revision", COLUMN_TEXT, false },
    { "ROWS", "rows", COLUMN_TEXT, false },
    { "SIZE", "bytes", COLUMN_BYTES, false },
    { "LAST CHANGE", "last_change", COLUMN_AGE, false },
    { "UNPUBLISHED", "unpublished", COLUMN_YES_NO, false },
    { "HELD", "held", COLUMN_TEXT, true },
    COLUMNS_END,
};

static const struct view list_views[] = {
    { "datasets", true, list_columns, "No datasets." },
    VIEWS_END,
};

static const struct column show_columns[] = {
    { "name", "name", COLUMN_TEXT, false },
    { "epoch", "epoch", COLUMN_TEXT, false },
    { "revision", "revision", COLUMN_TEXT, false },
    { "digest", "digest", COLUMN_TEXT, false },
    { "rows", "rows", COLUMN_TEXT, false },
    { "size", "bytes", COLUMN_BYTES, false },
    { "last change", "last_change", COLUMN_AGE, false },
    { "unpublished", "unpublished", COLUMN_YES_NO, false },
    { "held", "held", COLUMN_TEXT, false },
    { "drifted", "drifted", COLUMN_YES_NO, false },
    { "reason", "reason", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct column history_columns[] = {
    { "REVISION", "revision", COLUMN_TEXT, false },
    { "TIME", "time", COLUMN_TIME, false },
    { "ROWS", "rows", COLUMN_TEXT, false },
    { "+", "added", COLUMN_TEXT, false },
    { "-", "removed", COLUMN_TEXT, false },
    { "~", "changed", COLUMN_TEXT, false },
    { "DDL", "ddl", COLUMN_YES_NO, false },
    { "WHO", "who", COLUMN_TEXT, false },
    { "FOUND BY", "found", COLUMN_TEXT, false },
    { "REASON", "reason", COLUMN_TEXT, true },
    COLUMNS_END,
};

static const struct view history_views[] = {
    { "history", true, history_columns, "History holds no revision." },
    VIEWS_END,
};

/* The dataset comes as a member or as the result itself. */
static const struct view show_views[] = {
    { "", false, show_columns, NULL },
    { "dataset", false, show_columns, NULL },
    { "history", true, history_columns, NULL },
    VIEWS_END,
};

static const struct column verify_columns[] = {
    { "equal", "equal", COLUMN_YES_NO, false },
    { "digest", "digest", COLUMN_TEXT, false },
    { "rows", "rows", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct view verify_views[] = {
    { "", false, verify_columns, NULL },
    VIEWS_END,
};

static const struct column accept_columns[] = {
    { "revision", "revision", COLUMN_TEXT, false },
    { "rows", "rows", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct view accept_views[] = {
    { "", false, accept_columns, NULL },
    VIEWS_END,
};

static int
run_verify(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    json_t *result = NULL;
    bool equal = true;

    if (cli_control(cli, "dataset verify", args, LONG_WAIT_MS, &result, e) != 0)
        return -1;
    cli_show(cli, result, command->views);
    json_member_bool(result, "equal", false, &equal, e);
    if (!equal)
        cli->exit_code = err_exit_code(ERR_DIGEST);
    json_decref(result);
    return 0;
}

static int
run_accept(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    json_t *result = NULL;
    const char *name = "";

    if (json_member_string(args, "name", true, &name, e) != 0 ||
        cli_confirm(cli,
            "What was held will be published, and reach every secondary.", name,
            e) != 0 ||
        cli_control(cli, "dataset accept", args, LONG_WAIT_MS, &result, e) != 0)
        return -1;
    cli_show(cli, result, command->views);
    json_decref(result);
    return 0;
}

static int
run_show(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    if (json_object_get(args, "revision") == NULL)
        return cli_run_plain(cli, command, args, e);
    return changes_run(cli, "dataset show", args, false, e);
}

static int
run_diff(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    (void)command;
    return changes_run(cli, "dataset diff", args, false, e);
}

static const struct option history_options[] = {
    { "limit", "N", OPTION_INT, "limit", "the newest so many (default 20)" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

const struct command dataset_commands[] = {
    { "dataset", "list", "", "the datasets of this node", "dataset list\n", "",
        NULL, NULL, list_views },
    { "dataset", "show", "NAME [REVISION]",
        "one dataset and its history, or the rows of a revision",
        "dataset show config\ndataset show config 17\n", "name #revision?",
        NULL, run_show, show_views },
    { "dataset", "history", "NAME", "what was published: when, who, how much",
        "dataset history config\ndataset history config --limit 100\n", "name",
        history_options, NULL, history_views },
    { "dataset", "diff", "NAME [SERVER]",
        "what would be published, or sent to a server, row by row",
        "dataset diff config\ndataset diff config edge-1\n"
        "dataset diff config --json\n",
        "name server?", NULL, run_diff, NULL },
    { "dataset", "verify", "NAME", "recompute the digest from all rows",
        "dataset verify config\n", "name", NULL, run_verify, verify_views },
    { "dataset", "accept", "NAME", "publish what was held on this primary",
        "dataset accept config\n", "name", NULL, run_accept, accept_views },
    { .noun = NULL },
};

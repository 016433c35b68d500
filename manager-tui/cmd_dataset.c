/*
 * dataset: what is replicated.
 */
#include <string.h>

#include "base/json.h"
#include "manager-tui/changes.h"
#include "manager-tui/cli.h"
#include "manager-tui/results.h"

static const struct column list_columns[] = {
    { "NAME", "name", COLUMN_TEXT, false },
    { "STATE", "state", COLUMN_TEXT, false },
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
    { "state", "state", COLUMN_TEXT, false },
    { "path", "path", COLUMN_TEXT, false },
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
    { "error", "error.message", COLUMN_TEXT, false },
    { "what to do", "error.hint", COLUMN_TEXT, false },
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
    { "published", "published", COLUMN_YES_NO, false },
    { "revision", "revision", COLUMN_TEXT, false },
    { "rows added", "added", COLUMN_TEXT, false },
    { "rows changed", "changed", COLUMN_TEXT, false },
    { "rows removed", "removed", COLUMN_TEXT, false },
    { "rows now", "rows", COLUMN_TEXT, false },
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
    if (json_integer_value(json_object_get(result, "removed")) > 0)
        cli_say(cli,
            "What was removed stays in history: lockstep dataset show %s "
            "--revision %lld",
            name,
            (long long)json_integer_value(json_object_get(result, "revision")));
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

static const struct column use_columns[] = {
    { "removed", "removed", COLUMN_TEXT, false },
    { "name", "name", COLUMN_TEXT, false },
    { "state", "state", COLUMN_TEXT, false },
    { "path", "path", COLUMN_TEXT, false },
    { "held", "held", COLUMN_TEXT, false },
    { "note", "note", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct column told_columns[] = {
    { "SERVER", "name", COLUMN_TEXT, false },
    { "DONE", "done", COLUMN_YES_NO, false },
    { "ERROR", "error.message", COLUMN_TEXT, true },
    COLUMNS_END,
};

/* A dataset taken into use or out of it, and the servers that were told. */
static const struct view use_views[] = {
    { "", false, use_columns, NULL },
    { "servers", true, told_columns, NULL },
    VIEWS_END,
};

static int
run_use(struct cli *cli, const struct command *command, const char *name,
    json_t *args, struct err *e)
{
    json_t *result = NULL;

    if (cli_control(cli, name, args, LONG_WAIT_MS, &result, e) != 0)
        return -1;
    cli_show(cli, result, command->views);
    json_decref(result);
    return 0;
}

static int
run_remove(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    const char *name = "";

    if (json_member_string(args, "name", true, &name, e) != 0 ||
        cli_confirm(cli,
            "The dataset will be replicated no longer; its files stay on every "
            "server, without anything of Lockstep in them.",
            name, e) != 0)
        return -1;
    return run_use(cli, command, "dataset remove", args, e);
}

static int
run_attach(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    return run_use(cli, command, "dataset attach", args, e);
}

static int
run_detach(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    return run_use(cli, command, "dataset detach", args, e);
}

static int
run_capture(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    const char *state = "";

    if (json_member_string(args, "state", true, &state, e) != 0)
        return -1;
    if (strcmp(state, "on") != 0 && strcmp(state, "off") != 0)
        return err_set(e, ERR_USAGE, "capture is \"on\" or \"off\", not \"%s\"",
            state);
    json_object_set_new(args, "on", json_boolean(strcmp(state, "on") == 0));
    json_object_del(args, "state");
    return run_use(cli, command, "dataset capture", args, e);
}

static const struct option remove_options[] = {
    { "force", NULL, OPTION_FLAG, "force",
        "also when a server cannot be told (then run \"dataset detach\" "
        "there)" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

static const struct option history_options[] = {
    { "limit", "N", OPTION_INT, "limit", "the newest so many (default 20)" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

static const struct option rows_options[] = {
    { "limit", "N", OPTION_INT, "limit",
        "changed rows shown (default 100000)" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

const struct command dataset_commands[] = {
    { "dataset", "list", "", "the datasets of this node", "dataset list\n", "",
        NULL, NULL, list_views },
    { "dataset", "show", "NAME [REVISION]",
        "one dataset and its history, or the rows of a revision",
        "dataset show config\ndataset show config 17\n", "name #revision?",
        rows_options, run_show, show_views },
    { "dataset", "history", "NAME", "what was published: when, who, how much",
        "dataset history config\ndataset history config --limit 100\n", "name",
        history_options, NULL, history_views },
    { "dataset", "diff", "NAME [SERVER]",
        "what would be published, or sent to a server, row by row",
        "dataset diff config\ndataset diff config edge-1\n"
        "dataset diff config --json\ndataset diff config --limit 20\n",
        "name server?", rows_options, run_diff, NULL },
    { "dataset", "verify", "NAME", "recompute the digest from all rows",
        "dataset verify config\n", "name", NULL, run_verify, verify_views },
    { "dataset", "accept", "NAME", "publish what was held on this primary",
        "dataset accept config\n", "name", NULL, run_accept, accept_views },
    { "dataset", "remove", "NAME",
        "stop replicating a configured dataset, and take what is ours out of "
        "its files",
        "dataset remove pdns\ndataset remove pdns --force --yes\n", "name",
        remove_options, run_remove, use_views },
    { "dataset", "attach", "NAME", "use a dataset that was removed again",
        "dataset attach pdns\n", "name", NULL, run_attach, use_views },
    { "dataset", "detach", "NAME",
        "on a secondary: what \"dataset remove\" could not tell it",
        "dataset detach pdns\n", "name", NULL, run_detach, use_views },
    { "dataset", "capture", "NAME on|off",
        "off: nothing of ours in the live file and nothing published, for a "
        "migration; on: compare and go on",
        "dataset capture pdns off\ndataset capture pdns on\n", "name state",
        NULL, run_capture, use_views },
    { .noun = NULL },
};

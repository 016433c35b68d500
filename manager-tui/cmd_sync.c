/*
 * sync: publishing and pushing now, and how often it happens by itself.
 */
#include "base/json.h"
#include "manager-tui/changes.h"
#include "manager-tui/cli.h"
#include "manager-tui/results.h"

static const struct column published_columns[] = {
    { "DATASET", "dataset", COLUMN_TEXT, false },
    { "REVISION", "revision", COLUMN_TEXT, false },
    { "ROWS CHANGED", "rows", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct column pushed_columns[] = {
    { "NAME", "name", COLUMN_TEXT, true },
    { "STATE", "state", COLUMN_TEXT, false },
    { "ERROR", "error.message", COLUMN_TEXT, true },
    COLUMNS_END,
};

static const struct view now_views[] = {
    { "published", true, published_columns, "Nothing new was published." },
    { "servers", true, pushed_columns, NULL },
    VIEWS_END,
};

static int
run_now(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    json_t *result = NULL;
    bool wait = false, dry_run = false;

    if (json_member_bool(args, "wait", false, &wait, e) != 0 ||
        json_member_bool(args, "dry_run", false, &dry_run, e) != 0)
        return -1;
    if (dry_run)
        return changes_run(cli, "sync now", args, true, e);
    if (wait && cli->timeout_ms > 0) {
        json_object_set_new(args, "timeout_ms", json_integer(cli->timeout_ms));
        /* The node says what was not reached in time; hear it out. */
        cli->timeout_ms += 5000;
    }
    if (cli_control(cli, "sync now", args, LONG_WAIT_MS, &result, e) != 0)
        return -1;
    cli_show(cli, result, command->views);
    json_decref(result);
    return 0;
}

static const struct option now_options[] = {
    { "wait", NULL, OPTION_FLAG, "wait",
        "until every server is synchronized, or cannot be" },
    { "dry-run", NULL, OPTION_FLAG, "dry_run",
        "only show what would be sent, row by row" },
    { "limit", "N", OPTION_INT, "limit",
        "with --dry-run: rows shown of each (default 100000)" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

static const struct option config_options[] = {
    { "interval", "DURATION", OPTION_DURATION, "interval_ms",
        "1s to 1d; with --server 0 for the cluster's" },
    { "enabled", "yes|no", OPTION_YES_NO, "enabled", "synchronize at all" },
    { "instant", "yes|no", OPTION_YES_NO, "instant", "push on every commit" },
    { "server", "NAME", OPTION_TEXT, "server",
        "the interval of this server alone" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

const struct command sync_commands[] = {
    { "sync", "now", "[NAME...]", "publish and push at once",
        "sync now\nsync now --wait\nsync now edge-1 edge-2 --wait "
        "--timeout 10\nsync now --dry-run\nsync now --dry-run edge-1\n",
        "servers*", now_options, run_now, now_views },
    { "sync", "status", "", "what is pushed when", "sync status\n", "", NULL,
        NULL, sync_views },
    { "sync", "config", "", "how often, and whether, to push",
        "sync config --interval 30s\nsync config --instant yes\n"
        "sync config --server edge-1 --interval 10m\n",
        "", config_options, NULL, sync_views },
    { .noun = NULL },
};

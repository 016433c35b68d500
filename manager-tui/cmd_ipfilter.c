/*
 * ipfilter: who may connect to the admin port.
 */
#include "base/json.h"
#include "manager-tui/cli.h"
#include "manager-tui/results.h"

static const struct column list_columns[] = {
    { "POS", "position", COLUMN_TEXT, false },
    { "ACTION", "action", COLUMN_TEXT, false },
    { "ADDRESS", "address", COLUMN_TEXT, false },
    { "SCOPE", "scope", COLUMN_TEXT, false },
    { "CLUSTER", "cluster", COLUMN_YES_NO, false },
    { "EXPIRES", "expires", COLUMN_AGE, false },
    { "COMMENT", "comment", COLUMN_TEXT, true },
    COLUMNS_END,
};

static const struct column default_columns[] = {
    { "otherwise", "default", COLUMN_TEXT, false },
    { "scope \"service\"", "enforced_by", COLUMN_ENFORCERS, false },
    COLUMNS_END,
};

static const struct view list_views[] = {
    { "rules", true, list_columns, NULL },
    { "", false, default_columns, NULL },
    VIEWS_END,
};

static const struct column rule_columns[] = {
    { "position", "position", COLUMN_TEXT, false },
    { "action", "action", COLUMN_TEXT, false },
    { "address", "address", COLUMN_TEXT, false },
    { "scope", "scope", COLUMN_TEXT, false },
    { "cluster", "cluster", COLUMN_YES_NO, false },
    { "expires", "expires", COLUMN_TIME, false },
    { "comment", "comment", COLUMN_TEXT, false },
    { "taken back", "reverts_at", COLUMN_AGE, false },
    COLUMNS_END,
};

static const struct view rule_views[] = {
    { "", false, rule_columns, NULL },
    { "removed", false, rule_columns, NULL },
    VIEWS_END,
};

static const struct column test_columns[] = {
    { "action", "action", COLUMN_TEXT, false },
    { "by rule", "rule.position", COLUMN_TEXT, false },
    { "address", "rule.address", COLUMN_TEXT, false },
    { "comment", "rule.comment", COLUMN_TEXT, false },
    { "banned until", "banned_until", COLUMN_TIME, false },
    COLUMNS_END,
};

static const struct view test_views[] = {
    { "", false, test_columns, NULL },
    VIEWS_END,
};

static const struct column narrow_columns[] = {
    { "narrowed to", "address", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct view narrow_views[] = {
    { "", false, narrow_columns, NULL },
    VIEWS_END,
};

static const struct column ban_columns[] = {
    { "SOURCE", "source", COLUMN_TEXT, false },
    { "SINCE", "since", COLUMN_AGE, false },
    { "UNTIL", "until", COLUMN_AGE, false },
    { "TIMES", "times", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct view ban_views[] = {
    { "bans", true, ban_columns, "No bans." },
    VIEWS_END,
};

static const struct column unban_columns[] = {
    { "bans lifted", "lifted", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct view unban_views[] = {
    { "", false, unban_columns, NULL },
    VIEWS_END,
};

static int
run_unban(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    if ((json_object_get(args, "address") == NULL) ==
        (json_object_get(args, "all") == NULL))
        return err_set(e, ERR_USAGE, "give either ADDRESS or --all");
    return cli_run_plain(cli, command, args, e);
}

static int
run_remove(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    if ((json_object_get(args, "position") == NULL) ==
        (json_object_get(args, "id") == NULL))
        return err_set(e, ERR_USAGE, "give either POSITION or --id");
    return cli_run_plain(cli, command, args, e);
}

static int
run_test(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    json_t *result = NULL;

    if (cli_control(cli, "ipfilter test", args, 0, &result, e) != 0)
        return -1;
    if (!cli->json && json_is_null(json_object_get(result, "rule")))
        json_object_set_new(result, "rule",
            json_pack("{s:s}", "position", "none matches: the default"));
    cli_show(cli, result, command->views);
    json_decref(result);
    return 0;
}

#define SAFETY_OPTIONS                                                   \
    { "force", NULL, OPTION_FLAG, "force", "even if it shuts you out" }, \
    {                                                                    \
        "confirm", "SECONDS", OPTION_INT, "confirm",                     \
            "taken back unless \"ipfilter confirm\" follows in time"     \
    }

static const struct option add_options[] = {
    { "position", "N", OPTION_INT, "position",
        "before the rule at N (default: last)" },
    { "scope", "admin|service|both", OPTION_TEXT, "scope", "default: admin" },
    { "comment", "TEXT", OPTION_TEXT, "comment", "free text" },
    { "expires", "TIME", OPTION_TIME, "expires", "a date, a time, or 2h" },
    { "cluster", NULL, OPTION_FLAG, "cluster", "for every node" },
    SAFETY_OPTIONS,
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

static const struct option remove_options[] = {
    { "id", "ID", OPTION_INT, "id", "instead of the position" },
    { "cluster", NULL, OPTION_FLAG, "cluster",
        "the id is of a cluster's rule" },
    SAFETY_OPTIONS,
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

static const struct option unban_options[] = {
    { "all", NULL, OPTION_FLAG, "all", "every ban" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

static const struct option move_options[] = {
    SAFETY_OPTIONS,
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

static const struct option test_options[] = {
    { "scope", "admin|service", OPTION_TEXT, "scope", "default: admin" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

const struct command ipfilter_commands[] = {
    { "ipfilter", "list", "", "the rules; the first that matches decides",
        "ipfilter list\n", "", NULL, NULL, list_views },
    { "ipfilter", "add", "allow|deny ADDRESS|PREFIX|RANGE", "add a rule",
        "ipfilter add allow 192.0.2.10 --comment primary\n"
        "ipfilter add deny 10.0.0.0/8 --position 1\n"
        "ipfilter add allow 2001:db8::/32 --cluster --expires 2h\n",
        "action address", add_options, NULL, rule_views },
    { "ipfilter", "remove", "POSITION", "remove a rule", "ipfilter remove 3\n",
        "#position?", remove_options, run_remove, rule_views },
    { "ipfilter", "move", "FROM TO", "change the order", "ipfilter move 3 1\n",
        "#from #to", move_options, NULL, rule_views },
    { "ipfilter", "confirm", "", "keep a change made with --confirm",
        "ipfilter add deny 10.0.0.0/8 --confirm 60\nipfilter confirm\n", "",
        NULL, NULL, NULL },
    { "ipfilter", "test", "ADDRESS", "what the rules say about an address",
        "ipfilter test 192.0.2.10\n", "address", test_options, run_test,
        test_views },
    { "ipfilter", "narrow", "[ADDRESS]",
        "let in ADDRESS (default: the primary) and this host, nobody else",
        "ipfilter narrow\nipfilter narrow 192.0.2.10\n", "address?", NULL, NULL,
        narrow_views },
    { "ipfilter", "bans", "", "who is kept out for a while, and until when",
        "ipfilter bans\n", "", NULL, NULL, ban_views },
    { "ipfilter", "unban", "[ADDRESS]", "lift a ban",
        "ipfilter unban 192.0.2.10\nipfilter unban --all\n", "address?",
        unban_options, run_unban, unban_views },
    { .noun = NULL },
};

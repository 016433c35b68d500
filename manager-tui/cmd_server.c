/*
 * server: the secondaries of a primary.  Adding one is server_add.c.
 */
#include "base/json.h"
#include "manager-tui/cli.h"
#include "manager-tui/results.h"
#include "manager-tui/server_add.h"

static const struct column probe_columns[] = {
    { "fingerprint", "fingerprint", COLUMN_TEXT, false },
    { "address", "address", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct view probe_views[] = {
    { "", false, probe_columns, NULL },
    VIEWS_END,
};

static int
run_probe(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    json_t *result = NULL;

    if (server_split_address(args, e) != 0 ||
        cli_control(cli, "server probe", args, 0, &result, e) != 0)
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
            "The server will be removed from the cluster; it keeps its data.",
            name, e) != 0)
        return -1;
    return cli_run_plain(cli, command, args, e);
}

static int
run_overwrite(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    json_t *result = NULL;
    const char *name = "";

    if (json_member_string(args, "name", true, &name, e) != 0 ||
        cli_confirm(cli,
            "Everything on the server will be overwritten with what this "
            "primary has.",
            name, e) != 0 ||
        cli_control(cli, "server overwrite", args, LONG_WAIT_MS, &result, e) !=
            0)
        return -1;
    cli_show(cli, result, command->views);
    json_decref(result);
    return 0;
}

static const struct option add_options[] = {
    { "name", "NAME", OPTION_TEXT, "name",
        "what the server is called here (default: its own name)" },
    { "user", "USER", OPTION_TEXT, "user",
        "its administrator (default admin)" },
    { "password-file", "FILE", OPTION_TEXT, "password_file",
        "read that one's password from FILE (\"-\" is stdin)" },
    { "fingerprint", "SHA256:...", OPTION_TEXT, "fingerprint",
        "the host key that it must show" },
    { "trust-on-first-use", NULL, OPTION_FLAG, "trust_on_first_use",
        "pin the host key that it shows" },
    { "cluster-name", "NAME", OPTION_TEXT, "cluster_name",
        "the cluster's name, at the first add" },
    { "narrow", "yes|no", OPTION_YES_NO, "narrow",
        "its admin port for this primary and itself alone (default: asks; "
        "with --yes no)" },
    { "from", "FILE", OPTION_TEXT, "from",
        "add each server of FILE: HOST[:PORT] [name=N] [user=U] "
        "[fingerprint=F] [password-file=F] [join=F]" },
    { "join", "FILE", OPTION_TEXT, "join",
        "by a join file, which that node was given: nothing is asked" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

static const struct option remove_options[] = {
    { "force", NULL, OPTION_FLAG, "force",
        "also when it cannot be told (then run \"node detach\" there)" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

static const struct option trust_options[] = {
    { "fingerprint", "SHA256:...", OPTION_TEXT, "fingerprint",
        "the new host key" },
    { "again", NULL, OPTION_FLAG, "again",
        "it was installed anew: register it again, under its name" },
    { "user", "USER", OPTION_TEXT, "user",
        "with --again: its administrator (default admin)" },
    { "password-file", "FILE", OPTION_TEXT, "password_file",
        "with --again: read that one's password from FILE (\"-\" is stdin)" },
    { "narrow", "yes|no", OPTION_YES_NO, "narrow",
        "with --again: as with \"server add\"" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

const struct command server_commands[] = {
    { "server", "add", "HOST[:PORT] | --from FILE | --join FILE",
        "register a secondary and overwrite it with this primary's data",
        "server add edge-1.example.org\n"
        "server add 192.0.2.7 --name edge-1 --fingerprint SHA256:... "
        "--password-file edge-1.password --yes\n"
        "server add --from servers.txt --yes\n",
        "host?", add_options, server_add_run, server_views },
    { "server", "list", "", "the servers and their states, worst first",
        "server list\nserver list --json\n", "", NULL, NULL,
        server_list_views },
    { "server", "show", "NAME", "everything about one server",
        "server show edge-1\n", "name", NULL, NULL, server_views },
    { "server", "probe", "HOST[:PORT]",
        "the host key that a node shows; no password is sent",
        "server probe edge-1.example.org\n", "host", NULL, run_probe,
        probe_views },
    { "server", "pause", "NAME", "send nothing to a server until resumed",
        "server pause edge-1\n", "name", NULL, NULL, server_views },
    { "server", "resume", "NAME", "send again, beginning now",
        "server resume edge-1\n", "name", NULL, NULL, server_views },
    { "server", "remove", "NAME",
        "take a server out of the cluster; it keeps its data",
        "server remove edge-1\nserver remove edge-1 --force --yes\n", "name",
        remove_options, run_remove, removed_views },
    { "server", "trust", "NAME --fingerprint SHA256:...",
        "accept a changed host key; --again if the server was installed anew",
        "server trust edge-1 --fingerprint SHA256:...\n"
        "server trust edge-1 --fingerprint SHA256:... --again "
        "--password-file edge-1.password\n",
        "name", trust_options, server_trust_run, server_views },
    { "server", "overwrite", "NAME", "send everything again; lifts \"held\"",
        "server overwrite edge-1\nserver overwrite edge-1 --yes\n", "name",
        NULL, run_overwrite, server_views },
    { .noun = NULL },
};

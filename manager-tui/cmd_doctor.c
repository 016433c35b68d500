/*
 * doctor: what is wrong.  Without a host the node examines itself; with one,
 * doctor_host.c looks from outside.
 */
#include "manager-tui/doctor_host.h"

#include "base/json.h"
#include "manager-tui/cli.h"
#include "manager-tui/results.h"

static const struct column check_columns[] = {
    { "CHECK", "name", COLUMN_TEXT, false },
    { "OK", "ok", COLUMN_YES_NO, false },
    { "TEXT", "text", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct view check_views[] = {
    { "checks", true, check_columns, "Nothing was checked." },
    VIEWS_END,
};

static void
show_commands(struct cli *cli, const json_t *commands)
{
    for (size_t i = 0; i < json_array_size(commands); i++)
        cli_say(cli, "    %s", json_string_value(json_array_get(commands, i)));
}

static void
show_checks(struct cli *cli, const json_t *result)
{
    const json_t *checks = json_object_get(result, "checks");

    cli_show(cli, result, check_views);
    for (size_t i = 0; !cli->json && i < json_array_size(checks); i++) {
        const json_t *check = json_array_get(checks, i);
        const char *hint = json_string_value(json_object_get(check, "hint"));

        if (hint != NULL)
            cli_say(cli, "%s", hint);
        show_commands(cli, json_object_get(check, "type"));
    }
}

static int
run_doctor(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    json_t *result = NULL, *checks, *check;
    const char *target = NULL;
    size_t i;

    (void)command;
    if (json_member_string(args, "host", false, &target, e) != 0)
        return -1;
    if (target != NULL) {
        if (doctor_examine_host(cli, target, &result, e) != 0)
            return -1;
    } else if (cli_control(cli, "doctor", NULL, 0, &result, e) != 0) {
        return -1;
    }
    show_checks(cli, result);
    checks = json_object_get(result, "checks");
    json_array_foreach (checks, i, check)
        if (json_is_false(json_object_get(check, "ok")) && cli->exit_code == 0)
            cli->exit_code = 1;
    json_decref(result);
    return 0;
}

const struct command doctor_commands[] = {
    { "doctor", NULL, "[[USER@]HOST[:PORT]]",
        "what is wrong with this node, or on the way to another",
        "doctor\ndoctor edge-1.example.org\n"
        "doctor edge-1 --fingerprint SHA256:... --password-file edge-1.pw\n",
        "host?", NULL, run_doctor, check_views },
    { .noun = NULL },
};

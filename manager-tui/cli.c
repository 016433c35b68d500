/*
 * The run of the command line: parse, dispatch, report once.
 */
#include "manager-tui/cli.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/version.h"
#include "manager-tui/arguments.h"
#include "manager-tui/complete.h"
#include "manager-tui/help.h"
#include "manager-tui/manager.h"

#define DEFAULT_STATE_DIR "/var/lib/lockstep"

const char *
cli_default_state_dir(void)
{
    const char *from_environment = getenv("LOCKSTEP_STATE_DIR");

    return from_environment != NULL && from_environment[0] != '\0'
               ? from_environment
               : DEFAULT_STATE_DIR;
}

static void
take_globals(struct cli *cli, const json_t *globals)
{
    struct err ignored = ERR_INIT;

    cli->state_dir = cli_default_state_dir();
    json_member_string(globals, "state_dir", false, &cli->state_dir, &ignored);
    json_member_string(globals, "connect", false, &cli->connect, &ignored);
    json_member_string(globals, "password_file", false, &cli->password_file,
        &ignored);
    json_member_string(globals, "fingerprint", false, &cli->fingerprint,
        &ignored);
    json_member_bool(globals, "trust_on_first_use", false,
        &cli->trust_on_first_use, &ignored);
    json_member_bool(globals, "json", false, &cli->json, &ignored);
    json_member_bool(globals, "yes", false, &cli->yes, &ignored);
    json_member_bool(globals, "no_input", false, &cli->no_input, &ignored);
    json_member_bool(globals, "quiet", false, &cli->quiet, &ignored);
    json_member_string(globals, "plain", false, &cli->plain, &ignored);
    json_member_int(globals, "timeout_ms", false, &cli->timeout_ms, &ignored);
}

static void
report_json(const struct err *e)
{
    json_t *document = json_pack("{s:o}", "error", json_error(e));

    cli_show_json(document);
    json_decref(document);
}

/* Also when the command line was not understood up to there. */
static bool
asks_for_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0)
            return true;
    return false;
}

/* Tests look at screens whose ages stand still. */
static int
freeze_clock(struct err *e)
{
    const char *text = getenv("LOCKSTEP_FREEZE_CLOCK");
    int64_t utc_ms = 0;

    if (text == NULL)
        return 0;
    if (clock_parse(text, &utc_ms, e) != 0)
        return err_wrap(e, "LOCKSTEP_FREEZE_CLOCK");
    clock_freeze(utc_ms);
    return 0;
}

/* The error, where the caller looks for it: the only place that reports. */
static int
report(struct cli *cli, const struct arguments *a, const struct err *e)
{
    cli_end_progress(cli);
    if (cli->json) {
        report_json(e);
        return err_exit_code(e->code);
    }
    fprintf(stderr, "lockstep: %s\n", e->message);
    if (e->hint[0] != '\0')
        fprintf(stderr, "%s\n", e->hint);
    if (e->code == ERR_USAGE && a->command != NULL)
        help_usage(stderr, a->command);
    else if (e->code == ERR_USAGE && a->noun != NULL)
        fprintf(stderr, "Try: lockstep %s --help\n", a->noun);
    else if (e->code == ERR_USAGE)
        fprintf(stderr, "Try: lockstep --help\n");
    return err_exit_code(e->code);
}

static void
show_help(const struct arguments *a)
{
    if (a->command != NULL)
        help_command(stdout, a->command);
    else if (a->noun != NULL)
        help_noun(stdout, a->noun);
    else
        help_all(stdout);
}

static int
dispatch(struct cli *cli, struct arguments *a, struct err *e)
{
    if (a->version) {
        printf("lockstep %s\n", LOCKSTEP_VERSION);
        return 0;
    }
    if (a->help) {
        show_help(a);
        return 0;
    }
    if (a->command == NULL && cli->plain != NULL)
        return manager_print(cli, cli->plain, e);
    if (a->command == NULL && !cli->json && isatty(STDOUT_FILENO) &&
        isatty(STDIN_FILENO))
        return manager_run(cli, e);
    if (a->command == NULL) {
        err_set(e, ERR_USAGE, "no command was given");
        return -1;
    }
    if (a->command->run != NULL)
        return a->command->run(cli, a->command, a->values, e);
    return cli_run_plain(cli, a->command, a->values, e);
}

int
cli_main(int argc, char **argv)
{
    struct arguments a = ARGUMENTS_INIT;
    struct err e = ERR_INIT;
    struct cli cli = { .exit_code = 0 };
    int code;

    setlocale(LC_CTYPE, "");
    /* Passwords pass through: no core file, no ptrace by others. */
    prctl(PR_SET_DUMPABLE, 0);
    if (argc > 1 && strcmp(argv[1], COMPLETE_WORD) == 0)
        return complete_run(argc - 2, argv + 2);
    code = arguments_parse(&a, argc - 1, argv + 1, &e);
    take_globals(&cli, a.globals);
    cli.json = cli.json || asks_for_json(argc, argv);
    if (code != 0 || freeze_clock(&e) != 0 || dispatch(&cli, &a, &e) != 0)
        code = report(&cli, &a, &e);
    else
        code = cli.exit_code;
    admin_client_close(cli.client);
    cli_forget_login(&cli);
    arguments_release(&a);
    if (fflush(stdout) != 0 || ferror(stdout))
        return code != 0 ? code : 1;
    return code;
}

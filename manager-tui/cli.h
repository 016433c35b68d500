/*
 * One run of the command line: its global options, its connection to a node,
 * and how results, questions and progress reach whoever called.  Data goes to
 * stdout, everything else to stderr.
 */
#ifndef MANAGER_TUI_CLI_H
#define MANAGER_TUI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "admin-proto/ssh_client.h"
#include "base/err.h"
#include "manager-tui/command.h"
#include "manager-tui/secret.h"

struct cli {
    const char *state_dir;
    const char *connect; /* NULL: the local node */
    const char *password_file;
    const char *fingerprint;
    const char *plain; /* a view of the manager, to be shown as text */
    bool trust_on_first_use;
    bool json;
    bool yes;
    bool no_input;
    bool quiet;
    int64_t timeout_ms;          /* 0: not given */
    struct admin_client *client; /* NULL until the first command */
    struct cli_login *login;     /* of a remote node, once it is settled */
    int exit_code;               /* of a run that succeeded as such */
    bool progress_shown;         /* a line on the terminal is unfinished */
};

/* Parses, runs, reports; the exit code. */
int cli_main(int argc, char **argv);

/* Where the local node is unless --state-dir says so. */
const char *cli_default_state_dir(void);
/* The node that was named; connects at the first call. */
int cli_client(struct cli *cli, struct admin_client **client, struct err *e);
/* Where the local daemon comes from towards its servers, if that is configured
 * and ours to read; malloc'd, or NULL. */
char *cli_source_address(const struct cli *cli);
/* A connection to somewhere else or another one; the caller closes. */
int cli_connect(struct cli *cli, struct admin_client **client, struct err *e);
/* Wipes what was typed to log in with: nothing is asked twice until then. */
void cli_forget_login(struct cli *cli);

/* Runs a control command on the node.  WAIT_MS 0 is the usual time,
 * LONG_WAIT_MS for what may take as long as it takes.  Progress is shown. */
#define LONG_WAIT_MS (24 * 3600 * 1000)
int cli_control(struct cli *cli, const char *name, json_t *args, int wait_ms,
    json_t **result, struct err *e);
/* The same with each progress line handed to PROGRESS instead. */
int cli_control_lines(struct cli *cli, const char *name, json_t *args,
    int wait_ms, void (*progress)(void *ctx, json_t *line), void *ctx,
    json_t **result, struct err *e);
/* Runs COMMAND as the control command of its own name and shows the result. */
int cli_run_plain(struct cli *cli, const struct command *command, json_t *args,
    struct err *e);
/* Shows RESULT: as JSON, or by VIEWS. */
void cli_show(struct cli *cli, const json_t *result, const struct view *views);
void cli_show_json(const json_t *result);
/* A sentence on stderr, unless --quiet or --json. */
void cli_say(struct cli *cli, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Wipes the progress line, if one is shown. */
void cli_end_progress(struct cli *cli);

/* True when questions can be asked. */
bool cli_can_ask(const struct cli *cli);
/* Makes sure that somebody agreed: --yes, or NAME typed after the question.
 * ERR_USAGE when nobody can be asked, ERR_CANCELLED when the answer differs. */
int cli_confirm(struct cli *cli, const char *question, const char *name,
    struct err *e);
/* A password: from FILE if given, else asked for with PROMPT. */
int cli_password(struct cli *cli, const char *file, const char *prompt,
    char secret[SECRET_SIZE], struct err *e);
/* The same for one that is set: asked for twice. */
int cli_new_password(struct cli *cli, const char *file, const char *what,
    char secret[SECRET_SIZE], struct err *e);
/* For members that a control command does not know: moves one out of ARGS. */
const char *cli_take_text(json_t *args, const char *member, json_t **owner);

#endif

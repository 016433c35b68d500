/*
 * Talking to whoever called: results, sentences, progress, questions.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/json.h"
#include "manager-tui/cli.h"
#include "manager-tui/text.h"

#define ANSWER_SIZE 512

void
cli_show_json(const json_t *result)
{
    json_dumpf(result, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    fputc('\n', stdout);
}

void
cli_show(struct cli *cli, const json_t *result, const struct view *views)
{
    cli_end_progress(cli);
    if (cli->json)
        cli_show_json(result);
    else if (views != NULL)
        view_print(stdout, result, views, view_width());
    fflush(stdout);
}

void
cli_say(struct cli *cli, const char *fmt, ...)
{
    char text[1024], shown[2048];
    va_list ap;

    if (cli->quiet || cli->json)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    escape_text(text, strlen(text), shown, sizeof(shown));
    cli_end_progress(cli);
    fprintf(stderr, "%s\n", shown);
}

void
cli_end_progress(struct cli *cli)
{
    if (cli->progress_shown)
        fputs("\r\033[K", stderr);
    cli->progress_shown = false;
}

/* "overwrite config  12.3 MB of 51.0 MB, 24 %"; one line, written again. */
static void
show_progress(struct cli *cli, const json_t *line)
{
    const char *step = "", *text = "";
    int64_t done = 0, total = 0;
    char done_text[32], total_text[32], shown_step[64], shown[256];
    struct err ignored = ERR_INIT;

    json_member_string(line, "step", false, &step, &ignored);
    json_member_string(line, "text", false, &text, &ignored);
    json_member_int(line, "done", false, &done, &ignored);
    json_member_int(line, "total", false, &total, &ignored);
    escape_text(step, strlen(step), shown_step, sizeof(shown_step));
    escape_text(text, strlen(text), shown, sizeof(shown));
    fprintf(stderr, "\r\033[K%s %.50s", shown_step, shown);
    if (total > 0) {
        text_bytes(done, done_text);
        text_bytes(total, total_text);
        fprintf(stderr, "  %s of %s, %d %%", done_text, total_text,
            (int)((double)done * 100.0 / (double)total));
    }
    fflush(stderr);
    cli->progress_shown = true;
}

static void
on_progress(void *ctx, json_t *line)
{
    struct cli *cli = ctx;

    if (cli->quiet)
        return;
    if (cli->json) {
        json_dumpf(line, stderr, JSON_COMPACT | JSON_ENCODE_ANY);
        fputc('\n', stderr);
        fflush(stderr);
    } else if (isatty(STDERR_FILENO)) {
        show_progress(cli, line);
    }
}

int
cli_control_lines(struct cli *cli, const char *name, json_t *args, int wait_ms,
    void (*progress)(void *ctx, json_t *line), void *ctx, json_t **result,
    struct err *e)
{
    struct admin_client *client;

    *result = NULL;
    if (cli_client(cli, &client, e) != 0)
        return -1;
    if (wait_ms > 0 && cli->timeout_ms > 0)
        wait_ms = (int)cli->timeout_ms;
    return admin_client_control(client, name, args, progress, ctx, wait_ms,
        result, e);
}

int
cli_control(struct cli *cli, const char *name, json_t *args, int wait_ms,
    json_t **result, struct err *e)
{
    int r = cli_control_lines(cli, name, args, wait_ms, on_progress, cli,
        result, e);

    cli_end_progress(cli);
    return r;
}

int
cli_run_plain(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    json_t *result = NULL;
    char name[64];

    snprintf(name, sizeof(name), "%s%s%s", command->noun,
        command->verb != NULL ? " " : "",
        command->verb != NULL ? command->verb : "");
    if (cli_control(cli, name, args, 0, &result, e) != 0)
        return -1;
    cli_show(cli, result, command->views);
    json_decref(result);
    return 0;
}

bool
cli_can_ask(const struct cli *cli)
{
    return !cli->no_input && isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

int
cli_confirm(struct cli *cli, const char *question, const char *name,
    struct err *e)
{
    char answer[ANSWER_SIZE], shown[ANSWER_SIZE];

    if (cli->yes)
        return 0;
    if (!cli_can_ask(cli)) {
        err_set(e, ERR_USAGE, "this needs somebody to agree");
        err_hint(e, "Look at it first, then run it again with --yes.");
        return -1;
    }
    escape_text(name, strlen(name), shown, sizeof(shown));
    fprintf(stderr, "%s\nType \"%s\" to go on: ", question, shown);
    if (fgets(answer, sizeof(answer), stdin) == NULL)
        answer[0] = '\0';
    answer[strcspn(answer, "\r\n")] = '\0';
    if (strcmp(answer, name) == 0)
        return 0;
    err_set(e, ERR_CANCELLED, "cancelled, nothing was changed");
    return -1;
}

static int
nobody_to_ask(struct err *e)
{
    err_set(e, ERR_USAGE, "a password is needed");
    err_hint(e, "Give --password-file FILE (\"-\" is stdin).");
    return -1;
}

int
cli_password(struct cli *cli, const char *file, const char *prompt,
    char secret[SECRET_SIZE], struct err *e)
{
    if (file != NULL)
        return secret_read_file(file, secret, e);
    return cli->no_input ? nobody_to_ask(e) : secret_ask(prompt, secret, e);
}

int
cli_new_password(struct cli *cli, const char *file, const char *what,
    char secret[SECRET_SIZE], struct err *e)
{
    if (file != NULL)
        return secret_read_file(file, secret, e);
    return cli->no_input ? nobody_to_ask(e) : secret_ask_new(what, secret, e);
}

const char *
cli_take_text(json_t *args, const char *member, json_t **owner)
{
    *owner = json_incref(json_object_get(args, member));
    json_object_del(args, member);
    return json_string_value(*owner);
}

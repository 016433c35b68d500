/*
 * key: the keys of this node and their successors.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "manager-tui/cli.h"
#include "manager-tui/results.h"

static const struct column key_columns[] = {
    { "KEY", "kind", COLUMN_TEXT, false },
    { "FINGERPRINT", "fingerprint", COLUMN_TEXT, true },
    { "STATE", "state", COLUMN_TEXT, false },
    { "NEXT", "next", COLUMN_TEXT, true },
    COLUMNS_END,
};

static const struct column wait_columns[] = {
    { "WAITS FOR", "name", COLUMN_TEXT, true },
    { "BECAUSE", "why", COLUMN_TEXT, true },
    COLUMNS_END,
};

static const struct column server_columns[] = {
    { "SERVER", "name", COLUMN_TEXT, true },
    { "HOST KEY", "fingerprint", COLUMN_TEXT, true },
    { "NEXT", "next", COLUMN_TEXT, true },
    COLUMNS_END,
};

static const struct column primary_columns[] = {
    { "primary", "name", COLUMN_TEXT, false },
    { "its host key", "host", COLUMN_TEXT, false },
    { "its login key", "login", COLUMN_TEXT, false },
    { "next", "login_next", COLUMN_TEXT, false },
    { "its bundle key", "bundle", COLUMN_TEXT, false },
    { "next", "bundle_next", COLUMN_TEXT, false },
    { "trusted login key", "login_trusted", COLUMN_TEXT, false },
    { "trusted bundle key", "bundle_trusted", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct view key_views[] = {
    { "keys", true, key_columns, NULL },
    { "waits_for", true, wait_columns, NULL },
    { "servers", true, server_columns, NULL },
    { "primary", false, primary_columns, NULL },
    VIEWS_END,
};

static int
run_rotate(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    const char *kind = json_string_value(json_object_get(args, "kind"));
    char *question;
    int r = 0;

    if (json_is_true(json_object_get(args, "force"))) {
        question = alloc_format(
            "Whoever has not heard of the next %s key will refuse this node.",
            kind);
        r = cli_confirm(cli, question, kind, e);
        free(question);
    }
    return r == 0 ? cli_run_plain(cli, command, args, e) : -1;
}

static int
run_trust(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    const char *kind = json_string_value(json_object_get(args, "kind"));
    char *question = alloc_format("This node will take the %s key\n    %s\nfor "
                                  "its primary's. Whoever has "
                                  "the other half may overwrite this node.",
        kind, json_string_value(json_object_get(args, "fingerprint")));
    int r = cli_confirm(cli, question, kind, e);

    free(question);
    return r == 0 ? cli_run_plain(cli, command, args, e) : -1;
}

static const struct option rotate_options[] = {
    { "force", NULL, OPTION_FLAG, "force",
        "wait for nobody who cannot be reached" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

const struct command key_commands[] = {
    { "key", "show", "",
        "the keys of this node, their successors, and who has not confirmed",
        "key show\nkey show --json\n", "", NULL, NULL, key_views },
    { "key", "rotate", "host|login|bundle",
        "announce a new key, and use it once every other node knows it",
        "key rotate login\nkey rotate host --force\n", "kind", rotate_options,
        run_rotate, key_views },
    { "key", "trust", "login|bundle SHA256:...",
        "on a secondary: accept a key of its primary that was not announced",
        "key trust login SHA256:...\n", "kind fingerprint", NULL, run_trust,
        key_views },
    { .noun = NULL },
};

/*
 * hook: the programs that put a revision into effect.
 */
#include <stddef.h>

#include "manager-tui/cli.h"
#include "manager-tui/results.h"

static const struct column hook_columns[] = {
    { "HOOK", "name", COLUMN_TEXT, true },
    { "REFUSED", "error.message", COLUMN_TEXT, true },
    COLUMNS_END,
};

static const struct column dataset_columns[] = {
    { "DATASET", "name", COLUMN_TEXT, true },
    { "REVISION", "revision", COLUMN_TEXT, false },
    { "IN EFFECT", "in_effect", COLUMN_YES_NO, false },
    { "FAILED", "attempts", COLUMN_TEXT, false },
    { "NEXT TRY", "next_attempt", COLUMN_AGE, false },
    { "ERROR", "error.message", COLUMN_TEXT, true },
    COLUMNS_END,
};

static const struct view list_views[] = {
    { "hooks", true, hook_columns, NULL },
    { "datasets", true, dataset_columns, NULL },
    VIEWS_END,
};

static const struct column state_columns[] = {
    { "in effect", "in_effect", COLUMN_YES_NO, false },
    { "error", "effect_error.message", COLUMN_TEXT, true },
    COLUMNS_END,
};

static const struct view state_views[] = {
    { "", false, state_columns, NULL },
    VIEWS_END,
};

const struct command hook_commands[] = {
    { "hook", "list", "",
        "the programs of the hook folder, and what they have put into effect",
        "hook list\nhook list --json\n", "", NULL, NULL, list_views },
    { "hook", "run", "",
        "call all hooks for every dataset again, and wait for their end",
        "hook run\n", "", NULL, NULL, state_views },
    { .noun = NULL },
};

/*
 * Commands of the command line.  A noun is one file, cmd_NOUN.c, with a table
 * of its commands, listed in commands.c; each entry says how the words and
 * options become arguments, what runs, and how the result is shown.
 */
#ifndef MANAGER_TUI_COMMAND_H
#define MANAGER_TUI_COMMAND_H

#include <jansson.h>

#include "base/err.h"
#include "manager-tui/view.h"

struct cli;

enum option_kind {
    OPTION_FLAG, /* no value: true */
    OPTION_TEXT,
    OPTION_INT,
    OPTION_YES_NO,
    OPTION_DURATION, /* "60s": milliseconds */
    OPTION_TIME,     /* RFC 3339, a date, "2h" (ago, or ahead), "never" */
    OPTION_LIST,     /* comma-separated, repeatable: an array */
    OPTION_SECRET    /* a file ("-" is stdin): its first line */
};

struct option {
    const char *name;  /* "interval", typed --interval; NULL ends a table */
    const char *value; /* what the usage calls its value; NULL for a flag */
    enum option_kind kind;
    const char *member; /* of the arguments */
    const char *help;
};

struct command {
    const char *noun;
    const char *verb;     /* "add", "key add"; NULL: the noun is the command */
    const char *usage;    /* the words, as the usage shows them */
    const char *help;     /* one line */
    const char *examples; /* lines without "lockstep" */
    /* The words: members separated by blanks, "#id" an integer, "name?"
     * optional, "names*" any number (an array). */
    const char *words;
    const struct option *options; /* may be NULL */
    /* Runs with the arguments collected; NULL sends them as the control command
     * of the same name. */
    int (*run)(struct cli *cli, const struct command *command, json_t *args,
        struct err *e);
    const struct view *views; /* of the result, for people */
};

/* The tables, one per noun, NULL-terminated; each ends with a NULL noun. */
extern const struct command *const command_tables[];

extern const struct command status_commands[];
extern const struct command server_commands[];
extern const struct command join_file_commands[];
extern const struct command join_commands[];
extern const struct command sync_commands[];
extern const struct command dataset_commands[];
extern const struct command user_commands[];
extern const struct command group_commands[];
extern const struct command folder_commands[];
extern const struct command config_commands[];
extern const struct command admin_commands[];
extern const struct command ipfilter_commands[];
extern const struct command firewall_commands[];
extern const struct command events_commands[];
extern const struct command node_commands[];
extern const struct command key_commands[];
extern const struct command hook_commands[];
extern const struct command backup_commands[];
extern const struct command doctor_commands[];

/* A command of that noun, for its existence; NULL. */
const struct command *command_find_noun(const char *noun);
/* The command with that noun and verb ("" is NULL's); NULL. */
const struct command *command_find(const char *noun, const char *verb);
/* The nearest noun, verb of a noun, or option (without "--") of a
 * command, which may be NULL, or of all commands; NULL when none is near. */
const char *command_suggest_noun(const char *typed);
const char *command_suggest_verb(const char *noun, const char *typed);
const char *command_suggest_option(const struct command *command,
    const char *typed);

#endif

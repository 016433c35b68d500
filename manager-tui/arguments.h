/*
 * The words of the command line made into a command and its arguments.
 *
 *     struct arguments a = ARGUMENTS_INIT;
 *     if (arguments_parse(&a, argc - 1, argv + 1, &e) != 0)
 *         ... usage ...
 *     arguments_release(&a);
 *
 * Global options stand before or after the verb; after it, an option of the
 * command with the same name comes first.  "--" ends the options.
 */
#ifndef MANAGER_TUI_ARGUMENTS_H
#define MANAGER_TUI_ARGUMENTS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "manager-tui/command.h"

struct arguments {
    json_t *globals;               /* by member of global_options */
    const struct command *command; /* NULL: none was named */
    const char *noun;              /* as typed; NULL */
    json_t *values;                /* the command's arguments */
    bool help;                     /* --help, or "help" as the first word */
    bool version;
};

#define ARGUMENTS_INIT  \
    {                   \
        .globals = NULL \
    }

extern const struct option global_options[];

/* ERR_USAGE with a suggestion; what was understood by then is kept, so that the
 * fitting usage can be shown. */
int arguments_parse(struct arguments *a, int argc, char *const *argv,
    struct err *e);
/* The option of LEN bytes NAME in a table, which may be NULL; NULL. */
const struct option *arguments_find_option(const struct option *options,
    const char *name, size_t len);
/* The member that the word with INDEX behind the verb becomes; false when there
 * is no such word. */
bool arguments_member_at(const struct command *command, size_t index,
    char member[32]);
/* Wipes what may be secret. */
void arguments_release(struct arguments *a);

#endif

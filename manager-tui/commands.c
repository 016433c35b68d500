/*
 * The list of all commands, and finding one in it.
 */
#include <stddef.h>
#include <string.h>

#include "manager-tui/command.h"
#include "manager-tui/text.h"

/* In the order in which the help lists them. */
const struct command *const command_tables[] = {
    status_commands,
    server_commands,
    sync_commands,
    dataset_commands,
    user_commands,
    group_commands,
    folder_commands,
    config_commands,
    admin_commands,
    ipfilter_commands,
    events_commands,
    node_commands,
    backup_commands,
    doctor_commands,
    NULL,
};

/* A typed word is taken for another when this many edits lie between. */
#define NEAR 2

const struct command *
command_find_noun(const char *noun)
{
    for (size_t i = 0; command_tables[i] != NULL; i++)
        if (strcmp(command_tables[i]->noun, noun) == 0)
            return command_tables[i];
    return NULL;
}

const struct command *
command_find(const char *noun, const char *verb)
{
    const struct command *c = command_find_noun(noun);

    for (; c != NULL && c->noun != NULL; c++)
        if (strcmp(c->verb != NULL ? c->verb : "", verb) == 0)
            return c;
    return NULL;
}

const char *
command_suggest_noun(const char *typed)
{
    const char *best = NULL;
    size_t nearest = NEAR + 1;

    for (size_t i = 0; command_tables[i] != NULL; i++) {
        size_t distance = text_distance(typed, command_tables[i]->noun);

        if (distance < nearest) {
            nearest = distance;
            best = command_tables[i]->noun;
        }
    }
    return best;
}

const char *
command_suggest_verb(const char *noun, const char *typed)
{
    const struct command *c = command_find_noun(noun);
    const char *best = NULL;
    size_t nearest = NEAR + 1;

    for (; c != NULL && c->noun != NULL; c++) {
        size_t distance =
            c->verb != NULL ? text_distance(typed, c->verb) : NEAR + 1;

        if (distance < nearest) {
            nearest = distance;
            best = c->verb;
        }
    }
    return best;
}

/*
 * The list of all commands, and finding one in it.
 */
#include <stddef.h>
#include <string.h>

#include "manager-tui/command.h"

/* In the order in which the help lists them. */
const struct command *const command_tables[] = {
    status_commands,
    server_commands,
    join_file_commands,
    join_commands,
    sync_commands,
    dataset_commands,
    user_commands,
    group_commands,
    folder_commands,
    config_commands,
    admin_commands,
    ipfilter_commands,
    firewall_commands,
    events_commands,
    node_commands,
    key_commands,
    hook_commands,
    backup_commands,
    doctor_commands,
    NULL,
};

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

/*
 * Help, at every level examples first.
 */
#include "manager-tui/help.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "manager-tui/arguments.h"
#include "manager-tui/text.h"

/* Columns. */
#define WIDTH 80
#define OPTION_WIDTH 26
#define COMMAND_WIDTH 18

static const char overview_examples[] = "status\n"
                                        "server add edge-1.example.org\n"
                                        "user add ann --comment \"Ann Smith\"\n"
                                        "sync now --wait\n"
                                        "server list --json\n";

static void
print_examples(FILE *out, const char *examples)
{
    fprintf(out, "Examples:\n");
    while (*examples != '\0') {
        size_t len = strcspn(examples, "\n");

        fprintf(out, "    lockstep %.*s\n", (int)len, examples);
        examples += len + (examples[len] == '\n');
    }
}

static void
print_options(FILE *out, const struct option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        char *left = alloc_format("--%s%s%s", options->name,
            options->value != NULL ? " " : "",
            options->value != NULL ? options->value : "");

        if (strlen(left) > OPTION_WIDTH)
            fprintf(out, "    %s\n    %*s  ", left, OPTION_WIDTH, "");
        else
            fprintf(out, "    %-*s  ", OPTION_WIDTH, left);
        text_wrap(out, options->help, 4 + OPTION_WIDTH + 2, WIDTH);
        free(left);
    }
}

static void
print_name(FILE *out, const struct command *command)
{
    fprintf(out, "lockstep %s%s%s%s%s", command->noun,
        command->verb != NULL ? " " : "",
        command->verb != NULL ? command->verb : "",
        command->usage[0] != '\0' ? " " : "", command->usage);
}

void
help_usage(FILE *out, const struct command *command)
{
    fprintf(out, "usage: ");
    print_name(out, command);
    if (command->options != NULL)
        fprintf(out, " [OPTIONS]");
    fputc('\n', out);
}

void
help_command(FILE *out, const struct command *command)
{
    print_examples(out, command->examples);
    fputc('\n', out);
    help_usage(out, command);
    fprintf(out, "    ");
    text_wrap(out, command->help, 4, WIDTH);
    if (command->options != NULL) {
        fprintf(out, "\nOptions:\n");
        print_options(out, command->options);
    }
    fprintf(out, "\nGlobal options: see lockstep --help\n");
}

static void
print_commands(FILE *out, const struct command *commands)
{
    for (; commands->noun != NULL; commands++) {
        char *name = alloc_format("%s%s%s", commands->noun,
            commands->verb != NULL ? " " : "",
            commands->verb != NULL ? commands->verb : "");

        fprintf(out, "    %-*s  ", COMMAND_WIDTH, name);
        text_wrap(out, commands->help, 4 + COMMAND_WIDTH + 2, WIDTH);
        free(name);
    }
}

void
help_noun(FILE *out, const char *noun)
{
    const struct command *commands = command_find_noun(noun);

    print_examples(out, commands->examples);
    fprintf(out, "\nCommands:\n");
    print_commands(out, commands);
    if (commands->verb != NULL)
        fprintf(out, "\nMore: lockstep %s VERB --help\n", noun);
}

void
help_all(FILE *out)
{
    print_examples(out, overview_examples);
    fprintf(out, "\nusage: lockstep [GLOBAL OPTIONS] NOUN VERB [ARGUMENTS]\n");
    fprintf(out, "\nCommands:\n");
    for (size_t i = 0; command_tables[i] != NULL; i++)
        print_commands(out, command_tables[i]);
    fprintf(out, "\nGlobal options, before or after the verb:\n");
    print_options(out, global_options);
    fprintf(out,
        "    --help                      help on any command\n"
        "    --version                   the version\n"
        "\nExit codes: 0 done, 1 error, 2 usage, 3 partly done, 4 "
        "unreachable,\n"
        "5 key or login refused, 6 stale epoch, 7 not the primary, 8 held\n");
}

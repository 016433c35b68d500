/*
 * Prints, as JSON, the tables that the manual pages are made of: the commands
 * and options of lockstep, the keys of lockstepd.conf.
 */
#include <jansson.h>
#include <stdio.h>

#include "base/json.h"
#include "base/version.h"
#include "daemon/settings_internal.h"
#include "manager-tui/arguments.h"
#include "manager-tui/command.h"

static json_t *
options_of(const struct option *options)
{
    json_t *array = json_array();

    for (; options != NULL && options->name != NULL; options++)
        json_array_append_new(array,
            json_pack("{s:s,s:o,s:s}", "name", options->name, "value",
                json_text(options->value), "help", options->help));
    return array;
}

static json_t *
commands(void)
{
    json_t *array = json_array();

    for (size_t i = 0; command_tables[i] != NULL; i++)
        for (const struct command *c = command_tables[i]; c->noun != NULL; c++)
            json_array_append_new(array,
                json_pack("{s:s,s:o,s:s,s:s,s:s,s:o}", "noun", c->noun, "verb",
                    json_text(c->verb), "usage", c->usage, "help", c->help,
                    "examples", c->examples, "options",
                    options_of(c->options)));
    return array;
}

static void
add_keys(json_t *array, const struct key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array,
            json_pack("{s:s,s:s,s:s,s:o,s:I,s:I}", "section",
                keys[i].section != NULL ? keys[i].section : "dataset", "name",
                keys[i].name, "value", keys[i].value, "default",
                json_text(keys[i].standard), "least", (json_int_t)keys[i].least,
                "most", (json_int_t)keys[i].most));
}

int
main(void)
{
    json_t *keys = json_array(), *document;

    add_keys(keys, settings_keys, settings_key_count);
    add_keys(keys, settings_dataset_keys, settings_dataset_key_count);
    document =
        json_pack("{s:s,s:o,s:o,s:o}", "version", LOCKSTEP_VERSION, "options",
            options_of(global_options), "commands", commands(), "keys", keys);
    json_dumpf(document, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(document);
    return fflush(stdout) != 0 || ferror(stdout);
}

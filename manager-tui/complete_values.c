/*
 * Completion of values: words that the tables list ("yes|no"), files, and names
 * that the local node knows.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "manager-tui/arguments.h"
#include "manager-tui/cli.h"
#include "manager-tui/complete.h"
#include "manager-tui/screen.h"

#define NODE_TIMEOUT_MS 800
#define NAMES_MAX 500

/* Where the values of a member come from: the entries of array LIST in what
 * COMMAND answers. */
static const struct source {
    const char *noun;
    const char *member;
    bool option; /* an option's, else a word's */
    const char *command;
    const char *list;
    const char *value; /* member of an entry */
    const char *help;  /* another, or NULL */
} sources[] = {
    { "server", "name", false, "server list", "servers", "name", "state" },
    { "sync", "servers", false, "server list", "servers", "name", "state" },
    { "sync", "server", true, "server list", "servers", "name", "state" },
    { "firewall", "server", true, "server list", "servers", "name", "state" },
    { "events", "server", true, "server list", "servers", "name", "state" },
    { "doctor", "host", false, "server list", "servers", "address", "name" },
    { "dataset", "name", false, "dataset list", "datasets", "name", "state" },
    { "dataset", "server", false, "server list", "servers", "name", "state" },
    { "user", "name", false, "user list", "users", "name", "comment" },
    { "folder", "user", true, "user list", "users", "name", "comment" },
    { "group", "add", true, "user list", "users", "name", "comment" },
    { "group", "remove", true, "user list", "users", "name", "comment" },
    { "group", "name", false, "group list", "groups", "name", "comment" },
    { "folder", "group", true, "group list", "groups", "name", "comment" },
    { "folder", "id", false, "folder list", "folders", "id", "real_path" },
    { "config", "name", false, "config list", "settings", "name", "value" },
    { "admin", "name", false, "admin list", "admins", "name", "role" },
    { "ipfilter", "position", false, "ipfilter list", "rules", "position",
        "address" },
    { "ipfilter", "from", false, "ipfilter list", "rules", "position",
        "address" },
    { "ipfilter", "to", false, "ipfilter list", "rules", "position",
        "address" },
    { "ipfilter", "address", false, "ipfilter bans", "bans", "source",
        "until" },
};

static const struct source *
find_source(const struct command *command, const char *member, bool option)
{
    /* What is made new has no name to choose from. */
    if (!option && command->verb != NULL && strcmp(command->verb, "add") == 0)
        return NULL;
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
        if (strcmp(sources[i].noun, command->noun) == 0 &&
            strcmp(sources[i].member, member) == 0 &&
            sources[i].option == option)
            return &sources[i];
    return NULL;
}

static void
offer_entries(const struct source *source, const json_t *entries,
    const char *kept, const char *current)
{
    const struct column value = { "", source->value, COLUMN_TEXT, false };
    const struct column help = { "", source->help, COLUMN_TEXT, false };
    const json_t *entry;
    size_t i;

    json_array_foreach (entries, i, entry) {
        const char *state = json_string_value(json_object_get(entry, "state"));
        const char *raw;
        char *name, *said;

        if (i >= NAMES_MAX)
            break;
        /* Nothing is done to the primary by the name of a server. */
        if (strcmp(source->list, "servers") == 0 && state != NULL &&
            strcmp(state, "primary") == 0)
            continue;
        /* As it is: complete_offer() judges what may be shown. */
        raw = json_string_value(json_object_get(entry, source->value));
        name = raw != NULL ? alloc_string(raw) : view_cell(entry, &value);
        said = view_cell(entry, &help);
        complete_offer(kept, current, name, said);
        free(name);
        free(said);
    }
}

static void
offer_names(const struct typed *typed, const struct source *source,
    const char *kept, const char *current)
{
    struct cli cli = { .state_dir = typed->state_dir,
        .quiet = true,
        .no_input = true,
        .timeout_ms = NODE_TIMEOUT_MS };
    struct err ignored = ERR_INIT;
    json_t *args = json_object(), *result = NULL;

    /* A remote node would ask for a password. */
    if (typed->remote)
        goto out;
    if (strcmp(source->command, "user list") == 0) {
        json_object_set_new(args, "limit", json_integer(NAMES_MAX));
        if (current[0] != '\0')
            json_object_set_new(args, "filter", json_string(current));
    }
    if (cli_control(&cli, source->command, args, NODE_TIMEOUT_MS, &result,
            &ignored) == 0)
        offer_entries(source, json_object_get(result, source->list), kept,
            current);
out:
    json_decref(result);
    json_decref(args);
    admin_client_close(cli.client);
}

/* "yes|no", of LEN bytes; false when TEXT is no list of words that are typed as
 * they stand. */
static bool
offer_choices(const char *text, size_t len, const char *kept,
    const char *current)
{
    const char *end = text + len;

    if (len == 0 || !islower((unsigned char)text[0]))
        return false;
    while (text < end) {
        const char *bar = memchr(text, '|', (size_t)(end - text));
        size_t n = bar != NULL ? (size_t)(bar - text) : (size_t)(end - text);
        char *choice = alloc_copy(text, n);

        complete_offer(kept, current, choice, "");
        free(choice);
        text += n + 1;
    }
    return true;
}

/* The views of the manager that can be printed. */
static bool
offer_views(const struct option *option, const char *kept, const char *current)
{
    if (strcmp(option->value, "VIEW") != 0)
        return false;
    for (size_t i = 0; screen_views[i] != NULL; i++)
        complete_offer(kept, current, screen_views[i]->name,
            screen_views[i]->title);
    return true;
}

static const char *
kind_of(const char *value, size_t len)
{
    static const struct {
        const char *value;
        const char *kind;
    } kinds[] = {
        { "FILE", "files" },
        { "FILE|KEY", "files" },
        { "PATH", "files" },
        { "REAL", "files" },
        { "DIR", "folders" },
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strlen(kinds[i].value) == len &&
            strncmp(kinds[i].value, value, len) == 0)
            return kinds[i].kind;
    return "words";
}

void
complete_option_value(const struct typed *typed, const struct option *option,
    const char *kept, const char *current)
{
    const char *comma =
        option->kind == OPTION_LIST ? strrchr(current, ',') : NULL;
    const struct source *source =
        typed->command != NULL
            ? find_source(typed->command, option->member, true)
            : NULL;
    size_t done = comma != NULL ? (size_t)(comma + 1 - current) : 0;
    char *before = alloc_format("%s%.*s", kept, (int)done, current);

    puts(kind_of(option->value, strlen(option->value)));
    fflush(stdout);
    if (!offer_choices(option->value, strlen(option->value), kept, current) &&
        !offer_views(option, kept, current) && source != NULL)
        offer_names(typed, source, before, current + done);
    free(before);
}

/* The word with index WORD of a usage, without brackets: "[NAME...]" is NAME.
 * Its length goes to LEN; 0: there is none. */
static const char *
usage_word(const char *usage, size_t word, size_t *len)
{
    usage += strspn(usage, " [");
    while (word-- > 0) {
        usage += strcspn(usage, " ");
        usage += strspn(usage, " [");
    }
    *len = strcspn(usage, " .]");
    return usage;
}

void
complete_word_value(const struct typed *typed, size_t word, const char *current)
{
    const struct source *source;
    const char *usage;
    char member[32];
    size_t len;

    if (!arguments_member_at(typed->command, word, member))
        return;
    usage = usage_word(typed->command->usage, word, &len);
    source = find_source(typed->command, member, false);
    puts(kind_of(usage, len));
    fflush(stdout);
    if (!offer_choices(usage, len, "", current) && source != NULL)
        offer_names(typed, source, "", current);
}

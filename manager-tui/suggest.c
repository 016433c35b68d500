/*
 * What a mistyped word was meant to be: the beginning of a name, a name that
 * few edits lie from, or one that other programs have for the same thing.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "manager-tui/arguments.h"
#include "manager-tui/command.h"
#include "manager-tui/text.h"

#define FAR 3         /* edits: not meant */
#define LEAST_START 3 /* letters by which a beginning is known */

struct guess {
    const char *typed;
    const char *best; /* NULL: none is near */
    size_t distance;  /* of the best */
};

static const struct {
    const char *typed;
    const char *ours;
} synonyms[] = {
    { "create", "add" },
    { "new", "add" },
    { "register", "add" },
    { "delete", "remove" },
    { "del", "remove" },
    { "rm", "remove" },
    { "unregister", "remove" },
    { "ls", "list" },
    { "edit", "set" },
    { "modify", "set" },
    { "info", "show" },
    { "password", "passwd" },
    { "log", "events" },
    { "logs", "events" },
    { "filter", "ipfilter" },
    { "database", "dataset" },
    { "secondary", "server" },
    { "push", "sync" },
};

/* NAME is what is compared with, MEANT what is suggested. */
static void
take_guess(struct guess *g, const char *name, const char *meant)
{
    size_t len = strlen(g->typed);
    size_t distance = text_distance(g->typed, name);

    /* A short word is a few edits from anything. */
    if (distance >= FAR || distance >= strlen(name))
        distance = FAR;
    if (len >= LEAST_START && strncmp(g->typed, name, len) == 0)
        distance = 1;
    for (size_t i = 0; i < sizeof(synonyms) / sizeof(synonyms[0]); i++)
        if (strcmp(synonyms[i].typed, g->typed) == 0 &&
            strcmp(synonyms[i].ours, name) == 0)
            distance = 0;
    if (distance < g->distance) {
        g->distance = distance;
        g->best = meant;
    }
}

const char *
command_suggest_noun(const char *typed)
{
    struct guess g = { .typed = typed, .distance = FAR };

    for (size_t i = 0; command_tables[i] != NULL; i++)
        take_guess(&g, command_tables[i]->noun, command_tables[i]->noun);
    return g.best;
}

const char *
command_suggest_verb(const char *noun, const char *typed)
{
    struct guess g = { .typed = typed, .distance = FAR };
    const struct command *c = command_find_noun(noun);

    for (; c != NULL && c->noun != NULL; c++) {
        char *first;

        if (c->verb == NULL)
            continue;
        take_guess(&g, c->verb, c->verb);
        /* "kye" alone was to become "key add". */
        first = alloc_copy(c->verb, strcspn(c->verb, " "));
        if (strchr(typed, ' ') == NULL)
            take_guess(&g, first, c->verb);
        free(first);
    }
    return g.best;
}

const char *
command_suggest_option(const struct command *command, const char *typed)
{
    struct guess g = { .typed = typed, .distance = FAR };
    const struct option *option = command != NULL ? command->options : NULL;

    for (; option != NULL && option->name != NULL; option++)
        take_guess(&g, option->name, option->name);
    for (option = global_options; option->name != NULL; option++)
        take_guess(&g, option->name, option->name);
    take_guess(&g, "help", "help");
    take_guess(&g, "version", "version");
    return g.best;
}

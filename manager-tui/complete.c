/*
 * Completion: what was typed so far, and which nouns, verbs and options may
 * follow.
 */
#include "manager-tui/complete.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/escape.h"
#include "manager-tui/arguments.h"
#include "manager-tui/cli.h"

#define TIME_LIMIT_S 1
#define SHOWN_MAX 512

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

void
complete_offer(const char *kept, const char *current, const char *value,
    const char *help)
{
    char shown[SHOWN_MAX];

    if (strncmp(value, current, strlen(current)) != 0)
        return;
    /* A name that would drive the terminal is typed by hand. */
    escape_text(value, strlen(value), shown, sizeof(shown));
    if (strcmp(value, shown) != 0)
        return;
    escape_text(help, strlen(help), shown, sizeof(shown));
    printf("%s%s\t%s\n", kept, value, shown);
}

/* The option that TEXT, "--name" or "--name=...", names; NULL. */
static const struct option *
option_of(const struct typed *typed, const char *text)
{
    const char *name = text + 2;
    size_t len = strcspn(name, "=");
    const struct option *option = NULL;

    if (typed->command != NULL)
        option = arguments_find_option(typed->command->options, name, len);
    return option != NULL ? option
                          : arguments_find_option(global_options, name, len);
}

static void
take_option(struct typed *typed, char *const *argv, int *i, int before)
{
    const struct option *option = option_of(typed, argv[*i]);
    const char *value = strchr(argv[*i], '=');

    if (option == NULL)
        return;
    if (typed->given_count < COUNT(typed->given))
        typed->given[typed->given_count++] = option;
    if (strcmp(option->member, "connect") == 0)
        typed->remote = true;
    if (option->kind == OPTION_FLAG)
        return;
    if (value == NULL && ++*i == before) {
        typed->pending = option;
        return;
    }
    value = value != NULL ? value + 1 : argv[*i];
    if (strcmp(option->member, "state_dir") == 0)
        typed->state_dir = value;
}

static void
take_word(struct typed *typed, const char *word)
{
    char verb[64];

    if (typed->count == 0 && strcmp(word, "help") == 0)
        return;
    if (typed->count == COUNT(typed->words))
        return;
    typed->words[typed->count++] = word;
    if (typed->count == 1) {
        typed->noun = command_find_noun(word) != NULL ? word : NULL;
        typed->command = command_find(word, "");
    } else if (typed->command == NULL && typed->count == 2) {
        typed->command = command_find(typed->words[0], word);
        typed->verb_words = 1;
    } else if (typed->command == NULL && typed->count == 3) {
        snprintf(verb, sizeof(verb), "%.30s %.30s", typed->words[1], word);
        typed->command = command_find(typed->words[0], verb);
        typed->verb_words = 2;
    }
}

/* Takes in the BEFORE words of ARGV. */
static void
take_all(struct typed *typed, int before, char *const *argv)
{
    for (int i = 0; i < before; i++) {
        bool is_word =
            typed->only_words || argv[i][0] != '-' || argv[i][1] == '\0';

        if (is_word)
            take_word(typed, argv[i]);
        else if (strcmp(argv[i], "--") == 0)
            typed->only_words = true;
        else if (strncmp(argv[i], "--", 2) == 0)
            take_option(typed, argv, &i, before);
    }
}

static bool
is_given(const struct typed *typed, const struct option *option)
{
    for (size_t i = 0; i < typed->given_count; i++)
        if (typed->given[i] == option && option->kind != OPTION_LIST)
            return true;
    return false;
}

static void
offer_options(const struct typed *typed, const struct option *options,
    const char *current)
{
    for (; options != NULL && options->name != NULL; options++) {
        char *text = alloc_format("--%s", options->name);

        /* Of two with one name it is the command's. */
        if (!is_given(typed, options) && option_of(typed, text) == options)
            complete_offer("", current, text, options->help);
        free(text);
    }
}

static void
complete_options(const struct typed *typed, const char *current)
{
    puts("words");
    if (typed->command != NULL)
        offer_options(typed, typed->command->options, current);
    offer_options(typed, global_options, current);
    complete_offer("", current, "--help", "help on any command");
    if (typed->count == 0)
        complete_offer("", current, "--version", "the version");
}

/* A noun is what its verbs do. */
static void
offer_noun(const char *noun, const char *current)
{
    struct buf verbs = BUF_INIT;

    for (const struct command *c = command_find_noun(noun);
         c != NULL && c->noun != NULL; c++)
        buf_printf(&verbs, "%s%s", verbs.len > 0 ? ", " : "",
            c->verb != NULL ? c->verb : c->help);
    buf_put(&verbs, "", 1);
    complete_offer("", current, noun, (char *)verbs.data);
    buf_release(&verbs);
}

/* Verbs of two words are offered one word after the other. */
static void
complete_verb(const struct typed *typed, const char *current)
{
    const struct command *c = command_find_noun(typed->noun);
    const char *first = typed->count > 1 ? typed->words[1] : NULL;
    size_t first_len = first != NULL ? strlen(first) : 0;
    char *last = alloc_string("");

    puts("words");
    for (; c->noun != NULL; c++) {
        size_t len = strcspn(c->verb, " ");
        const char *second = c->verb[len] == ' ' ? c->verb + len + 1 : NULL;
        char *word = alloc_copy(c->verb, len);

        if (first == NULL && strcmp(word, last) != 0)
            complete_offer("", current, word, second != NULL ? "..." : c->help);
        else if (first != NULL && second != NULL && len == first_len &&
                 strcmp(word, first) == 0)
            complete_offer("", current, second, c->help);
        free(last);
        last = word;
    }
    free(last);
}

static void
complete_noun(const char *current)
{
    puts("words");
    for (size_t i = 0; command_tables[i] != NULL; i++)
        offer_noun(command_tables[i]->noun, current);
    complete_offer("", current, "help", "help on any command");
}

static void
complete_current(const struct typed *typed, const char *current)
{
    const char *equals = strchr(current, '=');
    bool is_option = !typed->only_words && current[0] == '-';

    if (typed->pending != NULL) {
        complete_option_value(typed, typed->pending, "", current);
    } else if (is_option && equals != NULL) {
        const struct option *option = option_of(typed, current);
        char *kept = alloc_copy(current, (size_t)(equals + 1 - current));

        if (option != NULL && option->kind != OPTION_FLAG)
            complete_option_value(typed, option, kept, equals + 1);
        free(kept);
    } else if (is_option) {
        complete_options(typed, current);
    } else if (typed->command != NULL) {
        complete_word_value(typed, typed->count - 1 - typed->verb_words,
            current);
    } else if (typed->count == 0) {
        complete_noun(current);
    } else if (typed->noun != NULL && typed->count < 3) {
        complete_verb(typed, current);
    }
}

static void
give_up(int sig)
{
    (void)sig;
    _exit(0);
}

int
complete_run(int argc, char *const *argv)
{
    struct typed typed = { .state_dir = cli_default_state_dir() };

    if (argc < 1)
        return 0;
    signal(SIGALRM, give_up);
    alarm(TIME_LIMIT_S);
    take_all(&typed, argc - 1, argv);
    complete_current(&typed, argv[argc - 1]);
    fflush(stdout);
    return 0;
}

/*
 * Completion for shells: "lockstep __complete WORD... CURRENT" says what may
 * stand in the place of CURRENT, by the tables of commands and options and by
 * what the local node has.
 *
 * Standard output has one line with the kind, "words", "files" or "folders";
 * after "words" each line is VALUE, a tab, and what it is.  Values begin with
 * CURRENT.  There are no errors: what is not known is not offered.
 *
 * A kind of value that is in these tables needs nothing in the scripts of
 * contrib/completion.
 */
#ifndef MANAGER_TUI_COMPLETE_H
#define MANAGER_TUI_COMPLETE_H

#include <stdbool.h>
#include <stddef.h>

#include "manager-tui/command.h"

#define COMPLETE_WORD "__complete"

/* The words before the one that is completed, as far as they are understood. */
struct typed {
    const char *words[64]; /* that are no options, without "help" */
    size_t count;
    const char *noun;              /* NULL: none yet */
    const struct command *command; /* NULL: none yet */
    size_t verb_words;             /* of words, beside the noun */
    const struct option *pending;  /* waits for its value; NULL */
    const struct option *given[64];
    size_t given_count;
    bool only_words; /* "--" stood there */
    const char *state_dir;
    bool remote; /* --connect stood there */
};

/* Prints for ARGV, the last of which is CURRENT.  Asks the node for a second at
 * most; what is not there by then is left out.  Always 0. */
int complete_run(int argc, char *const *argv);

/* complete_values.c: prints the kind and values of an option, or of the word
 * with index WORD behind the verb.  KEPT stands before CURRENT in what was
 * typed, and so before each value ("--state="). */
void complete_option_value(const struct typed *typed,
    const struct option *option, const char *kept, const char *current);
void complete_word_value(const struct typed *typed, size_t word,
    const char *current);
/* Prints KEPT and VALUE as one if VALUE begins with CURRENT. */
void complete_offer(const char *kept, const char *current, const char *value,
    const char *help);

#endif

/*
 * What settings.c (the keys of the node) and settings_datasets.c (the sections
 * of datasets) share: how a key is described, and values that both have.
 */
#ifndef DAEMON_SETTINGS_INTERNAL_H
#define DAEMON_SETTINGS_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/settings.h"

struct key {
    const char *section; /* NULL in the table of a dataset's keys */
    const char *name;
    int (*read)(const struct key *key, const char *value, void *field,
        struct err *e);
    size_t offset;
    int64_t least;
    int64_t most;
    const char *standard; /* NULL: the host's name; a dataset's: none */
    const char *value;    /* what the manual calls it: "SIZE", "yes|no" */
};

/* Every key of the node, and of a dataset; the manual is made of them. */
extern const struct key settings_keys[];
extern const size_t settings_key_count;
extern const struct key settings_dataset_keys[];
extern const size_t settings_dataset_key_count;

struct word {
    const char *text;
    int value;
};

/* The value that VALUE stands for in WORDS, which end with a NULL text. */
int setting_read_word(const struct key *key, const struct word *words,
    const char *value, int *out, struct err *e);
/* An absolute path, replaced in the char * that FIELD points to. */
int setting_read_path(const struct key *key, const char *value, void *field,
    struct err *e);

/* Whether SECTION is that of a dataset, rightly written or not. */
bool settings_is_dataset(const char *section);
/* One value of a dataset's section, the first of which makes the dataset;
 * PLACE is "FILE:LINE". */
int settings_dataset_value(struct settings *s, const char *section,
    const char *name, const char *value, const char *place, struct err *e);
void settings_datasets_release(struct settings *s);

#endif

/*
 * The command line of lockstepd.
 */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include <stdbool.h>

#include "base/err.h"
#include "daemon/settings.h"

struct options {
    const char *config_path;
    const char *state_dir;
    const char *listen;
    const char *name;
    const char *hooks;
    const char *restore; /* a backup to restore from */
    bool foreground;
    bool check;
    bool force;
    bool help;
    bool version;
};

int options_parse(struct options *o, int argc, char **argv, struct err *e);
void options_print_help(void);
/* What was given on the command line wins over the files. */
int options_apply(const struct options *o, struct settings *settings,
    struct err *e);

#endif

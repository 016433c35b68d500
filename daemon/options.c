/*
 * The command line of lockstepd.
 */
#include "daemon/options.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "daemon/listener.h"

enum { OPTION_RESTORE = 256, OPTION_FORCE, OPTION_HOOKS };

static const struct option long_options[] = {
    { "config", required_argument, NULL, 'c' },
    { "state-dir", required_argument, NULL, 's' },
    { "listen", required_argument, NULL, 'l' },
    { "name", required_argument, NULL, 'n' },
    { "hooks", required_argument, NULL, OPTION_HOOKS },
    { "restore", required_argument, NULL, OPTION_RESTORE },
    { "force", no_argument, NULL, OPTION_FORCE },
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, 'V' },
    { NULL, 0, NULL, 0 },
};

static const char help_text[] =
    "examples:\n"
    "  lockstepd -f --state-dir /srv/lockstep --listen 0.0.0.0:14983\n"
    "  lockstepd -t --config /etc/lockstep/lockstepd.conf\n"
    "  lockstepd --restore backup.lockstep --state-dir /srv/lockstep\n"
    "\n"
    "usage: lockstepd [OPTIONS]\n"
    "  --config FILE     read FILE and FILE.d/*.conf instead of\n"
    "                    " SETTINGS_DEFAULT_PATH "\n"
    "  --state-dir DIR   where keys and databases are (/var/lib/lockstep)\n"
    "  --listen ADDR:PORT  the admin port ([::]:14983)\n"
    "  --name NAME       the name of this node (the host's)\n"
    "  --hooks DIR       programs that put a revision into effect\n"
    "                    (/etc/lockstep/hooks.d)\n"
    "  -f                stay in the foreground, log to standard error\n"
    "  -t                check the configuration and exit\n"
    "  --restore FILE    restore a backup into the state directory and exit\n"
    "  --force           with --restore: move an existing one aside\n"
    "  --version  --help\n";

void
options_print_help(void)
{
    fputs(help_text, stdout);
}

static int
take_option(struct options *o, int option, struct err *e)
{
    switch (option) {
    case 'c':
        o->config_path = optarg;
        break;
    case 's':
        o->state_dir = optarg;
        break;
    case 'l':
        o->listen = optarg;
        break;
    case 'n':
        o->name = optarg;
        break;
    case OPTION_HOOKS:
        o->hooks = optarg;
        break;
    case OPTION_RESTORE:
        o->restore = optarg;
        break;
    case OPTION_FORCE:
        o->force = true;
        break;
    case 'f':
        o->foreground = true;
        break;
    case 't':
        o->check = true;
        break;
    case 'h':
        o->help = true;
        break;
    case 'V':
        o->version = true;
        break;
    default:
        err_set(e, ERR_USAGE, "invalid options");
        err_hint(e, "\"lockstepd --help\" lists them.");
        return -1;
    }
    return 0;
}

int
options_parse(struct options *o, int argc, char **argv, struct err *e)
{
    int option;

    memset(o, 0, sizeof(*o));
    while (
        (option = getopt_long(argc, argv, "fth", long_options, NULL)) != -1) {
        if (take_option(o, option, e) != 0)
            return -1;
    }
    if (optind < argc)
        return err_set(e, ERR_USAGE, "unexpected argument \"%s\"",
            argv[optind]);
    if (o->force && o->restore == NULL)
        return err_set(e, ERR_USAGE, "--force belongs to --restore");
    return 0;
}

static void
replace(char **text, const char *value)
{
    free(*text);
    *text = alloc_string(value);
}

/* The daemon leaves the folder that it was started in. */
static int
replace_folder(char **text, const char *value, struct err *e)
{
    char here[PATH_MAX];

    if (value[0] == '/') {
        replace(text, value);
        return 0;
    }
    if (getcwd(here, sizeof(here)) == NULL)
        return err_set(e, ERR_IO, "could not find the present folder");
    free(*text);
    *text = alloc_format("%s/%s", here, value);
    return 0;
}

int
options_apply(const struct options *o, struct settings *settings, struct err *e)
{
    if (o->name != NULL) {
        if (!settings_name_ok(o->name)) {
            err_set(e, ERR_USAGE, "invalid node name \"%s\"", o->name);
            err_hint(e, "Use 1 to 63 letters, digits, dots, hyphens.");
            return -1;
        }
        replace(&settings->name, o->name);
    }
    if (o->listen != NULL)
        replace(&settings->listen, o->listen);
    if (o->state_dir != NULL &&
        replace_folder(&settings->state_dir, o->state_dir, e) != 0)
        return -1;
    if (o->hooks != NULL &&
        replace_folder(&settings->hooks_folder, o->hooks, e) != 0)
        return -1;
    return listener_check_address(settings->listen, e);
}

/*
 * Registering servers from the command line: the key is reviewed before a
 * password is asked for, and what will be lost before anything is changed.
 */
#ifndef MANAGER_TUI_SERVER_ADD_H
#define MANAGER_TUI_SERVER_ADD_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "manager-tui/cli.h"

/* The command "server add", one server or a file of them. */
int server_add_run(struct cli *cli, const struct command *command, json_t *args,
    struct err *e);
/* One server: ARGS has host, name, user, password_file, fingerprint,
 * trust_on_first_use, cluster_name as given; ENTRY gets the result. */
int server_add_one(struct cli *cli, json_t *args, json_t **entry,
    struct err *e);
/* cmd_join.c: by the join file PATH, which has what ARGS does not say. */
int server_add_joined(struct cli *cli, const char *path, json_t *args,
    json_t **entry, struct err *e);
/* Each line of the file PATH; COMMON are the options given for all. */
int server_add_file(struct cli *cli, const char *path, const json_t *common,
    struct err *e);
/* By password: what the server has is shown, then whether goes on is asked.
 * AGAIN: one that is listed and was installed anew, by "name" and
 * "fingerprint"; else by "host", whose key is reviewed first.  FILE has the
 * password, or NULL: it is asked for. */
int server_register(struct cli *cli, json_t *args, bool again, const char *file,
    json_t **entry, struct err *e);
/* server_again.c: the command "server trust"; with "again" or a password's file
 * the server is registered as a new one is, and keeps its entry. */
int server_trust_run(struct cli *cli, const struct command *command,
    json_t *args, struct err *e);
/* Member host "HOST:PORT" becomes host and port. */
int server_split_address(json_t *args, struct err *e);

#endif

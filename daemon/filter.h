/*
 * The filter of the admin port, put together from the node's own rules (store),
 * the cluster's rules (dataset config, table ip_rules) and the defaults, and
 * asked for every connection before one byte is sent.
 */
#ifndef DAEMON_FILTER_H
#define DAEMON_FILTER_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"

/* In one table; with more of them the rules in force stay as they were. */
#define FILTER_RULES_MAX 100000

struct engine;
struct filter;

int filter_open(struct filter **filter, struct engine *engine, struct err *e);
void filter_close(struct filter *filter);
/* Reads local and cluster rules again and swaps the set; called after every
 * change of either (datasets call it after publish or apply of "config"). */
void filter_reload(struct filter *filter);
/* True when a connection from there may go on. */
bool filter_allows(struct filter *filter, const struct sockaddr *peer);

#endif

/*
 * The filter of the admin port, put together from the node's own rules (store),
 * the cluster's rules (dataset config, table ip_rules) and the defaults, and
 * asked for every connection before one byte is sent.
 */
#ifndef DAEMON_FILTER_H
#define DAEMON_FILTER_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>

#include "base/err.h"
#include "ipfilter/ruleset.h"

/* In one table; with more of them the rules in force stay as they were. */
#define FILTER_RULES_MAX 100000

struct engine;
struct filter;

int filter_open(struct filter **filter, struct engine *engine, struct err *e);
void filter_close(struct filter *filter);
/* Reads local and cluster rules again; the local ones are in force when it
 * returns. */
void filter_reload(struct filter *filter);
/* The cluster's alone, after a change of "config". */
void filter_reload_cluster(struct filter *filter);

/* The sets, in the order in which they are asked. */
enum filter_layer {
    FILTER_LOCAL,
    FILTER_CLUSTER,
    FILTER_DEFAULTS,
    FILTER_LAYERS
};
/* Whether an address is allowed, asking the layers from FIRST on. */
bool filter_verdict(const struct filter *filter, const struct ip_address *a,
    enum filter_layer first);
/* The same for whoever asks why: OUT names the rule that decides. */
#define FILTER_REASON_SIZE 256
bool filter_explain(const struct filter *filter, const struct ip_address *a,
    char out[FILTER_REASON_SIZE]);
/* Whether the cluster's rules alone deny it; then OUT names the rule. */
bool filter_cluster_denies(const struct filter *filter,
    const struct ip_address *a, char out[FILTER_REASON_SIZE]);
/* Each range that a rule for the admin port allows, the node's own first;
 * ranges whose first address something before it denies are left out. */
void filter_each_allowed(const struct filter *filter,
    void (*take)(void *ctx, const struct ip_range *range), void *ctx);
size_t filter_count(const struct filter *filter, enum filter_layer layer);
/* Whether a rule of the node's own decides about it. */
bool filter_decides(const struct filter *filter, const struct ip_address *a);
/* The rules of a table, compiled for the admin port; NULL when they cannot be
 * read whole.  The caller frees. */
struct ruleset *filter_read_table(sqlite3 *db, const char *table,
    struct err *e);

#endif

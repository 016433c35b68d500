/*
 * The rules of the filter as administrators see and change them: the node's own
 * (table filter_rules of the store), then the cluster's (table ip_rules of
 * dataset config), then the defaults, numbered from 1 in that order.  Both
 * tables have the same columns, so the operations serve both.
 */
#ifndef DAEMON_FILTER_RULES_H
#define DAEMON_FILTER_RULES_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "daemon/config_row.h"
#include "ipfilter/ruleset.h"

#define FILTER_LOCAL_TABLE "filter_rules"
#define FILTER_CLUSTER_TABLE "ip_rules"

/* [{id, action, address, scope, comment, expires, cluster}] in order. */
int filter_rules_json(sqlite3 *db, const char *table, bool cluster,
    json_t **rules, struct err *e);
/* The default rules in the same form, id null. */
json_t *filter_rules_defaults(void);
/* Numbers RULES from 1: member "position". */
void filter_rules_number(json_t *rules);
int filter_rules_count(sqlite3 *db, const char *table, int64_t *count,
    struct err *e);

/* Reads action, address, scope, comment and expires of ARGS.  ADDRESS gets the
 * address in its shortest form and must live as long as ROW. */
int filter_rules_take(struct row *row, char address[128], const json_t *args,
    struct err *e);
/* Adds before the rule at INDEX (from 0), or last for -1. */
int filter_rules_add(sqlite3 *db, const char *table, const struct row *row,
    int64_t index, int64_t *id, struct err *e);
/* The id of the rule at INDEX; ERR_NOT_FOUND. */
int filter_rules_at(sqlite3 *db, const char *table, int64_t index, int64_t *id,
    struct err *e);
int filter_rules_move(sqlite3 *db, const char *table, int64_t from, int64_t to,
    struct err *e);
/* One rule by its id, from a list; a new reference, or NULL. */
json_t *filter_rules_pick(const json_t *rules, int64_t id);

/* What RULES, then deny, say about an address now: {action, rule}. */
json_t *filter_rules_test(const json_t *rules, const struct ip_address *address,
    enum ipfilter_scope scope);
int filter_scope_parse(const char *text, enum ipfilter_scope *scope,
    struct err *e);

#endif

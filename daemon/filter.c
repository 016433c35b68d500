/*
 * The rules in force, as three sets asked in order: the node's own, the
 * cluster's, the defaults.  The cluster's are read and compiled on the strand
 * of "config", so that 100,000 of them cost the event loop nothing, and a
 * change of a local rule needs no database of users.
 */
#include "daemon/filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/datasets.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/fleet.h"
#include "daemon/store.h"
#include "ipfilter/ruleset.h"
#include "sync/open.h"

#define CONFIG_DATASET "config"

struct filter {
    struct engine *engine;
    /* By enum filter_layer; NULL: could not be read yet. */
    struct ruleset *sets[FILTER_LAYERS];
    bool reading;
    bool read_again;
    bool spared; /* the primary, from a rule of the cluster */
};

static const char rules_sql[] = "SELECT action, address, scope, expires FROM %s"
                                " ORDER BY position, id";

static enum ipfilter_scope
scope_of(const char *text)
{
    if (text != NULL && strcmp(text, "service") == 0)
        return IPFILTER_SERVICE;
    if (text != NULL && strcmp(text, "both") == 0)
        return IPFILTER_BOTH;
    return IPFILTER_ADMIN;
}

/* False for a row that is no rule; the commands refuse such ones, but anybody
 * may write to the table. */
static bool
read_rule(sqlite3_stmt *stmt, struct ipfilter_rule *rule)
{
    const char *action = (const char *)sqlite3_column_text(stmt, 0);
    const char *address = (const char *)sqlite3_column_text(stmt, 1);
    struct err e = ERR_INIT;

    memset(rule, 0, sizeof(*rule));
    if (action == NULL || address == NULL)
        return false;
    if (ip_range_parse(address, &rule->range, &e) != 0) {
        log_warning("a rule of the filter is passed over: %s", e.message);
        return false;
    }
    rule->action =
        strcmp(action, "allow") == 0 ? IPFILTER_ALLOW : IPFILTER_DENY;
    rule->scope = scope_of((const char *)sqlite3_column_text(stmt, 2));
    if (sqlite3_column_type(stmt, 3) == SQLITE_INTEGER)
        rule->expires_ms = sqlite3_column_int64(stmt, 3) * 1000;
    return true;
}

/* Whole or not at all: the rest might deny what the first so many allow. */
struct ruleset *
filter_read_table(sqlite3 *db, const char *table, struct err *e)
{
    char *sql = sqlite3_mprintf(rules_sql, table);
    struct ruleset *set = ruleset_new(IPFILTER_DENY);
    struct ipfilter_rule rule;
    sqlite3_stmt *stmt = NULL;
    size_t count = 0;
    int rc = SQLITE_ERROR;

    if (database_prepare(db, sql, &stmt, e) != 0)
        goto out;
    while (
        (rc = sqlite3_step(stmt)) == SQLITE_ROW && count++ < FILTER_RULES_MAX) {
        if (!read_rule(stmt, &rule))
            continue;
        rule.id = (int64_t)count - 1;
        ruleset_add(set, &rule);
    }
    if (rc == SQLITE_ROW)
        err_set(e, ERR_INVALID, "table %s has more than %d rules", table,
            FILTER_RULES_MAX);
    else if (rc != SQLITE_DONE)
        database_error(db, e, "could not read the rules of the filter");
out:
    sqlite3_finalize(stmt);
    sqlite3_free(sql);
    if (rc == SQLITE_DONE) {
        ruleset_compile(set, IPFILTER_ADMIN);
        return set;
    }
    ruleset_free(set);
    return NULL;
}

/* Puts NEW, if there is one, in the place of *SET. */
static void
replace(struct ruleset **set, struct ruleset *new)
{
    if (new == NULL)
        return;
    ruleset_free(*set);
    *set = new;
}

static int
read_local_rules(struct filter *filter, struct err *e)
{
    struct ruleset *set =
        filter_read_table(store_database(filter->engine->node.store),
            "filter_rules", e);

    replace(&filter->sets[FILTER_LOCAL], set);
    return set != NULL ? 0 : -1;
}

static int
read_cluster_rules(struct dataset *ds, void *arg, struct err *e)
{
    struct ruleset **set = arg;
    sqlite3 *db = dataset_reader(ds, e);

    *set = db != NULL ? filter_read_table(db, "ip_rules", e) : NULL;
    return *set != NULL ? 0 : -1;
}

int
filter_open(struct filter **filterp, struct engine *engine, struct err *e)
{
    struct filter *filter = alloc_zeroed(1, sizeof(*filter));
    struct err read_error = ERR_INIT;

    *filterp = NULL;
    filter->engine = engine;
    filter->sets[FILTER_DEFAULTS] = ruleset_new(IPFILTER_DENY);
    ruleset_add_defaults(filter->sets[FILTER_DEFAULTS]);
    /* No job runs yet: the dataset may be read right here, once. */
    if (read_cluster_rules(datasets_find(engine->datasets, CONFIG_DATASET),
            &filter->sets[FILTER_CLUSTER], &read_error) != 0)
        log_info("no filter rules of a cluster: %s", read_error.message);
    if (read_local_rules(filter, e) != 0) {
        filter_close(filter);
        return -1;
    }
    *filterp = filter;
    return 0;
}

void
filter_close(struct filter *filter)
{
    if (filter == NULL)
        return;
    for (int i = 0; i < FILTER_LAYERS; i++)
        ruleset_free(filter->sets[i]);
    free(filter);
}

/* The primary pushes what undoes a mistake: it gets in whatever the cluster's
 * rules say.  The node's own rules are its administrator's, and stand. */
static bool
is_primary(const struct filter *filter, const struct ip_address *a)
{
    const struct node *node = &filter->engine->node;
    struct ip_address primary;
    struct err ignored = ERR_INIT;

    return node->role == NODE_SECONDARY &&
           ip_address_parse(node->primary_address, &primary, &ignored) == 0 &&
           memcmp(&primary, a, sizeof(primary)) == 0;
}

/* The layer that decides, FILTER_LAYERS for none, and its rule. */
static int
find_rule(const struct filter *filter, const struct ip_address *a,
    enum filter_layer first, int64_t *rule, enum ipfilter_action *action)
{
    int64_t now_ms = clock_utc_ms();
    int i;

    *rule = -1;
    *action = IPFILTER_DENY;
    for (i = (int)first; i < FILTER_LAYERS; i++) {
        if (filter->sets[i] == NULL)
            continue;
        *action =
            ruleset_match(filter->sets[i], a, IPFILTER_ADMIN, now_ms, rule);
        if (*rule < 0)
            continue;
        if (i == FILTER_CLUSTER && is_primary(filter, a))
            *action = IPFILTER_ALLOW;
        break;
    }
    return i;
}

bool
filter_verdict(const struct filter *filter, const struct ip_address *a,
    enum filter_layer first)
{
    enum ipfilter_action action;
    int64_t rule;

    find_rule(filter, a, first, &rule, &action);
    return action == IPFILTER_ALLOW;
}

static void
describe(const struct filter *filter, int layer, int64_t id,
    char out[FILTER_REASON_SIZE])
{
    static const char *const whose[] = { "of this node", "of the cluster",
        "by default" };
    const struct ipfilter_rule *rule = ruleset_find(filter->sets[layer], id);
    char range[128];

    ip_range_format(&rule->range, range);
    snprintf(out, FILTER_REASON_SIZE, "rule \"%s %s\" %s",
        rule->action == IPFILTER_ALLOW ? "allow" : "deny", range, whose[layer]);
}

bool
filter_explain(const struct filter *filter, const struct ip_address *a,
    char out[FILTER_REASON_SIZE])
{
    enum ipfilter_action action;
    int64_t id;
    int layer = find_rule(filter, a, FILTER_LOCAL, &id, &action);
    size_t used;

    if (layer == FILTER_LAYERS) {
        snprintf(out, FILTER_REASON_SIZE, "no rule allows it");
        return false;
    }
    describe(filter, layer, id, out);
    used = strlen(out);
    if (layer == FILTER_CLUSTER && is_primary(filter, a))
        snprintf(out + used, FILTER_REASON_SIZE - used,
            ", which never shuts the primary out");
    return action == IPFILTER_ALLOW;
}

bool
filter_cluster_denies(const struct filter *filter, const struct ip_address *a,
    char out[FILTER_REASON_SIZE])
{
    const struct ruleset *set = filter->sets[FILTER_CLUSTER];
    int64_t id;

    if (set == NULL ||
        ruleset_match(set, a, IPFILTER_ADMIN, clock_utc_ms(), &id) !=
            IPFILTER_DENY ||
        id < 0)
        return false;
    describe(filter, FILTER_CLUSTER, id, out);
    return true;
}

/* Said when it becomes true. */
static void
report_spared(struct filter *filter)
{
    const struct node *node = &filter->engine->node;
    char reason[FILTER_REASON_SIZE];
    struct ip_address primary;
    struct err ignored = ERR_INIT;
    bool spared;

    spared = node->role == NODE_SECONDARY &&
             ip_address_parse(node->primary_address, &primary, &ignored) == 0 &&
             filter_cluster_denies(filter, &primary, reason);
    if (spared && !filter->spared)
        events_add(filter->engine->events, "warning", "rule-refused", NULL,
            NULL,
            "%s would shut out the primary at %s: it is not applied to it",
            reason, node->primary_address);
    filter->spared = spared;
}

static void
reload_done(struct dataset *ds, void *arg, const struct err *e)
{
    struct filter *filter = ds->engine->filter;
    struct ruleset **set = arg;

    if (filter == NULL) {
        ruleset_free(*set);
        free(set);
        return;
    }
    if (*set == NULL)
        log_warning("the cluster's old filter rules stay in force: %s",
            e->message);
    replace(&filter->sets[FILTER_CLUSTER], *set);
    free(set);
    report_spared(filter);
    if (filter->engine->fleet != NULL)
        fleet_check_rules(filter->engine->fleet);
    filter->reading = false;
    if (filter->read_again) {
        filter->read_again = false;
        filter_reload_cluster(filter);
    }
}

void
filter_reload(struct filter *filter)
{
    struct err e = ERR_INIT;

    if (read_local_rules(filter, &e) != 0)
        log_warning("the old filter rules stay in force: %s", e.message);
    filter_reload_cluster(filter);
}

void
filter_reload_cluster(struct filter *filter)
{
    struct dataset *ds =
        datasets_find(filter->engine->datasets, CONFIG_DATASET);

    if (filter->reading) {
        filter->read_again = true;
        return;
    }
    filter->reading = true;
    dataset_run(ds, &(struct dataset_job){ .work = read_cluster_rules,
                        .done = reload_done,
                        .arg = alloc_zeroed(1, sizeof(struct ruleset *)) });
}

void
filter_each_allowed(const struct filter *filter,
    void (*take)(void *ctx, const struct ip_range *range), void *ctx)
{
    const struct ipfilter_rule *rule;
    int64_t now_ms = clock_utc_ms();

    for (int layer = 0; layer < FILTER_LAYERS; layer++) {
        const struct ruleset *set = filter->sets[layer];

        for (size_t i = 0; set != NULL && i < ruleset_count(set); i++) {
            rule = ruleset_at(set, i);
            if (rule->action == IPFILTER_ALLOW &&
                (rule->scope & IPFILTER_ADMIN) != 0 &&
                (rule->expires_ms == 0 || rule->expires_ms > now_ms) &&
                filter_verdict(filter, &rule->range.first, FILTER_LOCAL))
                take(ctx, &rule->range);
        }
    }
}

size_t
filter_count(const struct filter *filter, enum filter_layer layer)
{
    return filter->sets[layer] != NULL ? ruleset_count(filter->sets[layer]) : 0;
}

bool
filter_decides(const struct filter *filter, const struct ip_address *a)
{
    int64_t rule;

    ruleset_match(filter->sets[FILTER_LOCAL], a, IPFILTER_ADMIN, clock_utc_ms(),
        &rule);
    return rule >= 0;
}

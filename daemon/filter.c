/*
 * The set of rules in force: the node's own, then the cluster's, then the
 * defaults.  The cluster's are read on the strand of "config" and kept, so that
 * a change of a local rule needs no database of users.
 */
#include "daemon/filter.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/datasets.h"
#include "daemon/engine.h"
#include "daemon/store.h"
#include "ipfilter/ruleset.h"
#include "sync/open.h"

#define CONFIG_DATASET "config"
#define RULES_MAX 10000

struct rules {
    struct ipfilter_rule *items;
    size_t count;
};

struct filter {
    struct engine *engine;
    struct rules cluster;
    struct ruleset *set;
    bool reading;
    bool read_again;
};

static const char rules_sql[] =
    "SELECT id, action, address, scope, expires FROM %s"
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
    const char *action = (const char *)sqlite3_column_text(stmt, 1);
    const char *address = (const char *)sqlite3_column_text(stmt, 2);
    struct err e = ERR_INIT;

    memset(rule, 0, sizeof(*rule));
    if (action == NULL || address == NULL)
        return false;
    if (ip_range_parse(address, &rule->range, &e) != 0) {
        log_warning("a rule of the filter is passed over: %s", e.message);
        return false;
    }
    rule->id = sqlite3_column_int64(stmt, 0);
    rule->action =
        strcmp(action, "allow") == 0 ? IPFILTER_ALLOW : IPFILTER_DENY;
    rule->scope = scope_of((const char *)sqlite3_column_text(stmt, 3));
    if (sqlite3_column_type(stmt, 4) == SQLITE_INTEGER)
        rule->expires_ms = sqlite3_column_int64(stmt, 4) * 1000;
    return true;
}

static int
read_rules(sqlite3 *db, const char *table, struct rules *rules, struct err *e)
{
    char *sql = sqlite3_mprintf(rules_sql, table);
    sqlite3_stmt *stmt = NULL;
    int r = -1;
    int rc;

    if (database_prepare(db, sql, &stmt, e) != 0)
        goto out;
    while (
        (rc = sqlite3_step(stmt)) == SQLITE_ROW && rules->count < RULES_MAX) {
        size_t n = rules->count;

        if ((n & (n - 1)) == 0)
            rules->items = alloc_resize(rules->items, n == 0 ? 1 : 2 * n,
                sizeof(rules->items[0]));
        if (read_rule(stmt, &rules->items[n]))
            rules->count++;
    }
    if (rc != SQLITE_DONE && rc != SQLITE_ROW) {
        database_error(db, e, "could not read the rules of the filter");
        goto out;
    }
    r = 0;
out:
    sqlite3_finalize(stmt);
    sqlite3_free(sql);
    return r;
}

static void
rules_release(struct rules *rules)
{
    free(rules->items);
    memset(rules, 0, sizeof(*rules));
}

static void
add_rules(struct ruleset *set, const struct rules *rules)
{
    size_t i;

    for (i = 0; i < rules->count; i++)
        ruleset_add(set, &rules->items[i]);
}

/* Puts the set together; what cannot be read leaves the old one in force. */
static int
rebuild(struct filter *filter, struct err *e)
{
    struct rules local = { NULL, 0 };
    struct ruleset *set;

    if (read_rules(store_database(filter->engine->node.store), "filter_rules",
            &local, e) != 0) {
        rules_release(&local);
        return -1;
    }
    set = ruleset_new(IPFILTER_DENY);
    add_rules(set, &local);
    add_rules(set, &filter->cluster);
    ruleset_add_defaults(set);
    ruleset_free(filter->set);
    filter->set = set;
    rules_release(&local);
    return 0;
}

static int
read_cluster_rules(struct dataset *ds, void *arg, struct err *e)
{
    sqlite3 *db = dataset_reader(ds, e);

    return db != NULL ? read_rules(db, "ip_rules", arg, e) : -1;
}

int
filter_open(struct filter **filterp, struct engine *engine, struct err *e)
{
    struct filter *filter = alloc_zeroed(1, sizeof(*filter));
    struct err read_error = ERR_INIT;

    *filterp = NULL;
    filter->engine = engine;
    /* No job runs yet: the dataset may be read right here, once. */
    if (read_cluster_rules(datasets_find(engine->datasets, CONFIG_DATASET),
            &filter->cluster, &read_error) != 0)
        log_info("no filter rules of a cluster: %s", read_error.message);
    if (rebuild(filter, e) != 0) {
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
    ruleset_free(filter->set);
    rules_release(&filter->cluster);
    free(filter);
}

static void
reload_done(struct dataset *ds, void *arg, const struct err *e)
{
    struct filter *filter = ds->engine->filter;
    struct err rebuild_error = ERR_INIT;
    struct rules *rules = arg;

    if (filter != NULL) {
        filter->reading = false;
        if (e->code == ERR_NONE) {
            rules_release(&filter->cluster);
            filter->cluster = *rules;
            memset(rules, 0, sizeof(*rules));
        }
        if (rebuild(filter, &rebuild_error) != 0)
            log_warning("the filter keeps its old rules: %s",
                rebuild_error.message);
        if (filter->read_again) {
            filter->read_again = false;
            filter_reload(filter);
        }
    }
    rules_release(rules);
    free(rules);
}

void
filter_reload(struct filter *filter)
{
    struct dataset *ds =
        datasets_find(filter->engine->datasets, CONFIG_DATASET);
    struct err e = ERR_INIT;

    /* Local rules are in force when this returns. */
    if (rebuild(filter, &e) != 0)
        log_warning("the filter keeps its old rules: %s", e.message);
    if (filter->reading) {
        filter->read_again = true;
        return;
    }
    filter->reading = true;
    dataset_run(ds, &(struct dataset_job){ .work = read_cluster_rules,
                        .done = reload_done,
                        .arg = alloc_zeroed(1, sizeof(struct rules)) });
}

bool
filter_allows(struct filter *filter, const struct sockaddr *peer)
{
    struct ip_address address;
    int64_t rule;

    if (!ip_address_from_socket(peer, &address))
        return false;
    return ruleset_match(filter->set, &address, IPFILTER_ADMIN, clock_utc_ms(),
               &rule) == IPFILTER_ALLOW;
}

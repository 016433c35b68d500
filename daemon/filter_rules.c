/*
 * Ordered rules in a table, and what they decide.
 */
#include "daemon/filter_rules.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "daemon/filter_order.h"
#include "sync/open.h"

static const struct row_field rule_shown[] = {
    { "id", NULL, ROW_INT },
    { "action", NULL, ROW_TEXT },
    { "address", NULL, ROW_TEXT },
    { "scope", NULL, ROW_TEXT },
    { "comment", NULL, ROW_TEXT },
    { "expires", NULL, ROW_TIME },
    { NULL, NULL, ROW_TEXT },
};

/* The same networks as ruleset_add_defaults. */
static const char *const default_networks[] = { "127.0.0.0/8", "::1",
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
    "fc00::/7", "fe80::/10" };

static sqlite3_stmt *
prepare_table(sqlite3 *db, const char *before, const char *table,
    const char *after, struct err *e)
{
    char *sql = alloc_format("%s%s%s", before, table, after);
    sqlite3_stmt *stmt = NULL;

    if (database_prepare(db, sql, &stmt, e) != 0)
        stmt = NULL;
    free(sql);
    return stmt;
}

int
filter_rules_json(sqlite3 *db, const char *table, bool cluster, json_t **rules,
    struct err *e)
{
    sqlite3_stmt *stmt = prepare_table(db,
        "SELECT id, action, address, scope, comment, expires FROM ", table,
        " ORDER BY position, id", e);

    if (stmt == NULL || row_json_all(db, stmt, rule_shown, rules, e) != 0)
        return -1;
    for (size_t i = 0; i < json_array_size(*rules); i++)
        json_object_set_new(json_array_get(*rules, i), "cluster",
            json_boolean(cluster));
    return 0;
}

json_t *
filter_rules_defaults(void)
{
    json_t *rules = json_array();

    for (size_t i = 0;
         i < sizeof(default_networks) / sizeof(default_networks[0]); i++)
        json_array_append_new(rules,
            json_pack("{s:n,s:s,s:s,s:s,s:s,s:n,s:b}", "id", "action", "allow",
                "address", default_networks[i], "scope", "admin", "comment",
                "default", "expires", "cluster", 0));
    return rules;
}

void
filter_rules_number(json_t *rules)
{
    for (size_t i = 0; i < json_array_size(rules); i++)
        json_object_set_new(json_array_get(rules, i), "position",
            json_integer((json_int_t)i + 1));
}

json_t *
filter_rules_pick(const json_t *rules, int64_t id)
{
    for (size_t i = 0; i < json_array_size(rules); i++) {
        json_t *rule = json_array_get(rules, i);

        if (json_integer_value(json_object_get(rule, "id")) == id)
            return json_incref(rule);
    }
    return NULL;
}

int
filter_rules_count(sqlite3 *db, const char *table, int64_t *count,
    struct err *e)
{
    struct filter_order order;
    int r = filter_order_read(db, table, &order, e);

    *count = (int64_t)order.count;
    filter_order_release(&order);
    return r;
}

int
filter_rules_at(sqlite3 *db, const char *table, int64_t index, int64_t *id,
    struct err *e)
{
    struct filter_order order;
    int r = filter_order_read(db, table, &order, e);

    if (r == 0 && index >= 0 && (uint64_t)index < order.count) {
        *id = order.places[index].id;
    } else if (r == 0) {
        r = err_set(e, ERR_NOT_FOUND,
            "no rule at this position can be changed");
        err_hint(e, "\"lockstep ipfilter list\" shows the positions; a default "
                    "rule stays, but a rule added before it decides first.");
    }
    filter_order_release(&order);
    return r;
}

int
filter_rules_take(struct row *row, char address[128], const json_t *args,
    struct err *e)
{
    static const struct row_field fields[] = {
        { "action", "action", ROW_TEXT },
        { "scope", "scope", ROW_TEXT },
        { "comment", "comment", ROW_TEXT },
        { "expires", "expires", ROW_TIME },
        { NULL, NULL, ROW_TEXT },
    };
    const char *text = NULL, *action = NULL, *name = NULL;
    enum ipfilter_scope scope;
    struct ip_range range;

    if (json_member_string(args, "action", true, &action, e) != 0 ||
        json_member_string(args, "address", true, &text, e) != 0 ||
        json_member_string(args, "scope", false, &name, e) != 0 ||
        ip_range_parse(text, &range, e) != 0 ||
        (name != NULL && filter_scope_parse(name, &scope, e) != 0))
        return -1;
    if (strcmp(action, "allow") != 0 && strcmp(action, "deny") != 0) {
        err_set(e, ERR_INVALID, "action \"%s\" is unknown", action);
        err_hint(e, "Use allow or deny.");
        return -1;
    }
    ip_range_format(&range, address);
    row_put_text(row, "address", address);
    return row_take(row, fields, args, e);
}

/* Before the rule at INDEX, or last for -1. */
static int
insert_at(sqlite3 *db, const char *table, const struct row *row,
    struct filter_order *order, int64_t index, int64_t *id, struct err *e)
{
    struct row complete = *row;
    size_t at = 0;

    if (index < -1 || index > (int64_t)order->count) {
        err_set(e, ERR_INVALID, "the position is out of range");
        err_hint(e, "\"lockstep ipfilter list\" shows the positions; the "
                    "cluster's rules come after the node's own.");
        return -1;
    }
    row_put_int(&complete, "position", filter_order_last(order));
    if (row_insert(db, table, &complete, id, e) != 0)
        return -1;
    if (index == -1)
        return 0;
    filter_order_release(order);
    if (filter_order_read(db, table, order, e) != 0)
        return -1;
    while (order->places[at].id != *id)
        at++;
    return filter_order_move(db, table, order, at, (size_t)index, e);
}

int
filter_rules_add(sqlite3 *db, const char *table, const struct row *row,
    int64_t index, int64_t *id, struct err *e)
{
    struct filter_order order;
    int r = filter_order_read(db, table, &order, e);

    if (r == 0)
        r = insert_at(db, table, row, &order, index, id, e);
    filter_order_release(&order);
    return r;
}

int
filter_rules_move(sqlite3 *db, const char *table, int64_t from, int64_t to,
    struct err *e)
{
    struct filter_order order;
    int r = filter_order_read(db, table, &order, e);

    if (r == 0 && (from < 0 || to < 0 || (uint64_t)from >= order.count ||
                      (uint64_t)to >= order.count)) {
        r = err_set(e, ERR_INVALID, "the position is out of range");
        err_hint(e, "A rule moves among the node's own rules, or among the "
                    "cluster's.");
    }
    if (r == 0)
        r = filter_order_move(db, table, &order, (size_t)from, (size_t)to, e);
    filter_order_release(&order);
    return r;
}

int
filter_scope_parse(const char *text, enum ipfilter_scope *scope, struct err *e)
{
    static const struct {
        const char *name;
        enum ipfilter_scope scope;
    } scopes[] = {
        { "admin", IPFILTER_ADMIN },
        { "service", IPFILTER_SERVICE },
        { "both", IPFILTER_BOTH },
    };

    for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++)
        if (strcmp(scopes[i].name, text) == 0) {
            *scope = scopes[i].scope;
            return 0;
        }
    err_set(e, ERR_INVALID, "scope \"%s\" is unknown", text);
    err_hint(e, "Use admin, service or both.");
    return -1;
}

/* The rule that JSON describes; false for one that somebody wrote past the
 * commands and that does not parse. */
static bool
rule_read(const json_t *json, struct ipfilter_rule *rule)
{
    const char *address = json_string_value(json_object_get(json, "address"));
    const char *scope = json_string_value(json_object_get(json, "scope"));
    const char *action = json_string_value(json_object_get(json, "action"));
    const char *expires = json_string_value(json_object_get(json, "expires"));
    struct err ignored = ERR_INIT;

    rule->expires_ms = 0;
    if (address == NULL || scope == NULL || action == NULL)
        return false;
    rule->action =
        strcmp(action, "allow") == 0 ? IPFILTER_ALLOW : IPFILTER_DENY;
    return ip_range_parse(address, &rule->range, &ignored) == 0 &&
           filter_scope_parse(scope, &rule->scope, &ignored) == 0 &&
           (expires == NULL ||
               clock_parse(expires, &rule->expires_ms, &ignored) == 0);
}

json_t *
filter_rules_test(const json_t *rules, const struct ip_address *address,
    enum ipfilter_scope scope)
{
    struct ruleset *set = ruleset_new(IPFILTER_DENY);
    enum ipfilter_action action;
    int64_t which = -1;
    json_t *rule;

    for (size_t i = 0; i < json_array_size(rules); i++) {
        struct ipfilter_rule entry = { .id = (int64_t)i };

        if (rule_read(json_array_get(rules, i), &entry))
            ruleset_add(set, &entry);
    }
    action = ruleset_match(set, address, scope, clock_utc_ms(), &which);
    ruleset_free(set);
    rule = which >= 0 ? json_array_get(rules, (size_t)which) : NULL;
    return json_pack("{s:s,s:O?}", "action",
        action == IPFILTER_ALLOW ? "allow" : "deny", "rule", rule);
}

/*
 * The rules that narrow a node's filter, in one transaction of its store.
 */
#include "daemon/filter_narrow.h"

#include "base/json.h"
#include "daemon/engine.h"
#include "daemon/filter.h"
#include "daemon/filter_guard.h"
#include "daemon/filter_rules.h"
#include "daemon/store.h"
#include "sync/open.h"

/* By this the rules are known again. */
#define NARROW_COMMENT "narrowed"

static int
add_rule(sqlite3 *db, const char *action, const char *range, struct err *e)
{
    json_t *args = json_pack("{s:s, s:s, s:s}", "action", action, "address",
        range, "comment", NARROW_COMMENT);
    struct row row = ROW_INIT;
    char address[128];
    int64_t id;
    int r = -1;

    if (filter_rules_take(&row, address, args, e) == 0 &&
        filter_rules_add(db, FILTER_LOCAL_TABLE, &row, -1, &id, e) == 0)
        r = 0;
    json_decref(args);
    return r;
}

static int
replace_rules(sqlite3 *db, const char *address, struct err *e)
{
    const struct {
        const char *action;
        const char *range;
    } rules[] = {
        { "allow", "127.0.0.0/8" },
        { "allow", "::1" },
        { "allow", address },
        { "deny", "0.0.0.0/0" },
        { "deny", "::/0" },
    };

    if (database_exec(db,
            "DELETE FROM " FILTER_LOCAL_TABLE
            " WHERE comment = '" NARROW_COMMENT "'",
            e) != 0)
        return -1;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (add_rule(db, rules[i].action, rules[i].range, e) != 0)
            return -1;
    return 0;
}

int
filter_narrow(struct engine *engine, const char *address, const char *caller,
    struct err *e)
{
    struct store *store = engine->node.store;
    sqlite3 *db = store_database(store);
    struct ip_address parsed;
    struct filter_guard guard;

    if (ip_address_parse(address, &parsed, e) != 0)
        return -1;
    filter_guard_set(&guard, engine, caller, false);
    if (store_begin(store, e) != 0)
        return -1;
    if (replace_rules(db, address, e) != 0 ||
        filter_guard_check(&guard, db, FILTER_LOCAL_TABLE, e) != 0) {
        store_rollback(store);
        return -1;
    }
    if (store_commit(store, e) != 0)
        return -1;
    filter_reload(engine->filter);
    return 0;
}

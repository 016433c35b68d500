/*
 * The verdict about those who matter, before a change of the rules is kept.
 */
#include "daemon/filter_guard.h"

#include "base/clock.h"
#include "daemon/engine.h"
#include "daemon/filter.h"

static void
guard_one(struct filter_guard *guard, const struct filter *filter,
    const char *address, const char *who, enum filter_layer changing)
{
    struct guarded *g = &guard->guarded[guard->count];
    struct err ignored = ERR_INIT;

    if (ip_address_parse(address, &g->address, &ignored) != 0 ||
        !filter_verdict(filter, &g->address, FILTER_LOCAL))
        return;
    /* The node's own rules come first: what they say of somebody stands,
     * whatever the cluster's become. */
    if (changing == FILTER_CLUSTER && filter_decides(filter, &g->address))
        return;
    g->who = who;
    g->allowed_otherwise =
        filter_verdict(filter, &g->address, (enum filter_layer)(changing + 1));
    guard->count++;
}

void
filter_guard_set(struct filter_guard *guard, const struct engine *engine,
    const char *caller, bool cluster)
{
    enum filter_layer changing = cluster ? FILTER_CLUSTER : FILTER_LOCAL;
    const struct node *node = &engine->node;

    guard->count = 0;
    guard_one(guard, engine->filter, caller, "your own connection", changing);
    if (node->role == NODE_SECONDARY)
        guard_one(guard, engine->filter, node->primary_address,
            "the primary of this node", changing);
}

int
filter_guard_check(const struct filter_guard *guard, sqlite3 *db,
    const char *table, struct err *e)
{
    struct ruleset *set;
    int r = 0;

    if (guard->count == 0)
        return 0;
    set = filter_read_table(db, table, e);
    if (set == NULL)
        return -1;
    for (size_t i = 0; r == 0 && i < guard->count; i++) {
        const struct guarded *g = &guard->guarded[i];
        enum ipfilter_action action;
        char address[64];
        int64_t rule;

        action = ruleset_match(set, &g->address, IPFILTER_ADMIN, clock_utc_ms(),
            &rule);
        if (rule < 0 ? g->allowed_otherwise : action == IPFILTER_ALLOW)
            continue;
        ip_address_format(&g->address, address);
        r = err_set(e, ERR_INVALID, "this would shut out %s from %s", g->who,
            address);
        err_hint(e, "Allow it in a rule before; or repeat with --force, best "
                    "with --confirm 60, which takes the change back unless "
                    "\"lockstep ipfilter confirm\" follows.");
    }
    ruleset_free(set);
    return r;
}

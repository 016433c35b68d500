/*
 * Between the ends of all rules a verdict does not change: each such stretch is
 * asked for once, and neighbours that are denied are joined.
 */
#include "contrib/accounts/denied.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ipfilter/ruleset.h"
#include "sync/open.h"

#define RULES_MAX 20000

static const char rules_sql[] =
    "SELECT action, address FROM ip_rules WHERE scope IN ('service', 'both')"
    " AND (expires IS NULL OR expires > ?1) ORDER BY position, id";

struct edges {
    ip_number *items; /* where a stretch begins */
    size_t count;
    size_t room;
};

static ip_number
number_of(const struct ip_address *a)
{
    ip_number n = 0;

    for (size_t i = 0; i < sizeof(a->bytes); i++)
        n = n << 8 | a->bytes[i];
    return n;
}

static struct ip_address
address_of(ip_number n)
{
    struct ip_address a;

    for (size_t i = sizeof(a.bytes); i-- > 0; n >>= 8)
        a.bytes[i] = (uint8_t)n;
    return a;
}

static void
add_edge(struct edges *edges, ip_number n)
{
    if (edges->count == edges->room) {
        edges->room = edges->room == 0 ? 64 : 2 * edges->room;
        edges->items =
            alloc_resize(edges->items, edges->room, sizeof(*edges->items));
    }
    edges->items[edges->count++] = n;
}

static int
compare_edges(const void *a, const void *b)
{
    ip_number x = *(const ip_number *)a, y = *(const ip_number *)b;

    return (x > y) - (x < y);
}

/* The first of IPv4, and the first after it, where families meet. */
static const ip_number v4_first = (ip_number)0xffff << 32;
static const ip_number v4_end = (ip_number)0x10000 << 32;

static int
read_rule(struct ruleset *rules, struct edges *edges, sqlite3_stmt *stmt,
    struct err *e)
{
    const char *action = (const char *)sqlite3_column_text(stmt, 0);
    const char *address = (const char *)sqlite3_column_text(stmt, 1);
    struct ipfilter_rule rule = { .action = IPFILTER_DENY,
        .scope = IPFILTER_SERVICE };

    if (action == NULL || address == NULL)
        return err_set(e, ERR_INVALID, "a rule has no action or address");
    if (strcmp(action, "allow") == 0)
        rule.action = IPFILTER_ALLOW;
    if (ip_range_parse(address, &rule.range, e) != 0)
        return -1;
    ruleset_add(rules, &rule);
    add_edge(edges, number_of(&rule.range.first));
    /* After the very last address this is 0, where a stretch begins anyway. */
    add_edge(edges, number_of(&rule.range.last) + 1);
    return 0;
}

static int
read_rules(struct ruleset *rules, struct edges *edges, sqlite3 *config,
    int64_t now_s, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    size_t count = 0;
    int rc, r = -1;

    if (database_prepare(config, rules_sql, &stmt, e) != 0)
        return -1;
    sqlite3_bind_int64(stmt, 1, now_s);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (count++ == RULES_MAX) {
            err_set(e, ERR_INVALID, "more than %d rules", RULES_MAX);
            goto out;
        }
        if (read_rule(rules, edges, stmt, e) != 0)
            goto out;
    }
    if (rc != SQLITE_DONE) {
        database_error(config, e, "could not read the rules");
        goto out;
    }
    r = 0;
out:
    sqlite3_finalize(stmt);
    return r;
}

static void
add_range(struct denied *d, ip_number first, ip_number last)
{
    d->ranges = alloc_resize(d->ranges, d->count + 1, sizeof(*d->ranges));
    d->ranges[d->count++] = (struct denied_range){ .first = first,
        .last = last,
        .v4 = first >= v4_first && first < v4_end };
}

static void
find_denied(struct denied *d, struct ruleset *rules, const struct edges *edges)
{
    ip_number from = 0;
    bool open = false;

    for (size_t i = 0; i <= edges->count; i++) {
        bool end = i == edges->count;
        ip_number at = end ? 0 : edges->items[i];
        struct ip_address a = address_of(at);
        int64_t which;
        bool denied = !end && ruleset_match(rules, &a, IPFILTER_SERVICE, 0,
                                  &which) == IPFILTER_DENY;

        if (!end && i > 0 && at == edges->items[i - 1])
            continue;
        if (open && (!denied || at == v4_first || at == v4_end)) {
            add_range(d, from, at - 1);
            open = false;
        }
        if (denied && !open) {
            from = at;
            open = true;
        }
    }
}

int
denied_read(struct denied *d, sqlite3 *config, int64_t now_s, struct err *e)
{
    struct ruleset *rules = ruleset_new(IPFILTER_ALLOW);
    struct edges edges = { NULL, 0, 0 };
    int r;

    *d = (struct denied){ NULL, 0 };
    add_edge(&edges, 0);
    add_edge(&edges, v4_first);
    add_edge(&edges, v4_end);
    r = read_rules(rules, &edges, config, now_s, e);
    if (r == 0) {
        ruleset_compile(rules, IPFILTER_SERVICE);
        qsort(edges.items, edges.count, sizeof(*edges.items), compare_edges);
        find_denied(d, rules, &edges);
    }
    free(edges.items);
    ruleset_free(rules);
    return r;
}

void
denied_release(struct denied *d)
{
    free(d->ranges);
    *d = (struct denied){ NULL, 0 };
}

void
ip_number_format(ip_number n, char out[IP_NUMBER_TEXT])
{
    struct ip_address a = address_of(n);

    ip_address_format(&a, out);
}

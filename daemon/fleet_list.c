/*
 * "server list" a part at a time: filtered, sorted and cut here, so that a
 * screen of a large fleet costs what is seen of it.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/json.h"
#include "daemon/fleet_internal.h"

#define LIMIT_MAX 10000

struct query {
    const char *filter;
    const char *sort;
    bool descending;
    int64_t offset;
    int64_t limit;
};

typedef int compare_fn(const struct server *a, const struct server *b);

static int
compare_numbers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int
by_state(const struct server *a, const struct server *b)
{
    return compare_numbers(server_state(a), server_state(b));
}

static int
by_name(const struct server *a, const struct server *b)
{
    return strcasecmp(a->record.name, b->record.name);
}

static int
by_address(const struct server *a, const struct server *b)
{
    return strcasecmp(a->record.host, b->record.host);
}

static int
by_last_synchronized(const struct server *a, const struct server *b)
{
    return compare_numbers(a->record.last_synchronized_ms,
        b->record.last_synchronized_ms);
}

static int
by_behind(const struct server *a, const struct server *b)
{
    bool known;
    uint64_t one = server_behind(a, &known), two = server_behind(b, &known);

    return (one > two) - (one < two);
}

static int
by_interval(const struct server *a, const struct server *b)
{
    return compare_numbers(fleet_interval_ms(a), fleet_interval_ms(b));
}

static int
effect_rank(const struct server *s)
{
    return !s->effect.known                         ? 0
           : s->effect.in_effect && server_equal(s) ? 2
                                                    : 1;
}

static int
by_in_effect(const struct server *a, const struct server *b)
{
    return effect_rank(a) - effect_rank(b);
}

static int
by_round_trip(const struct server *a, const struct server *b)
{
    return compare_numbers((int64_t)a->round_trip_us,
        (int64_t)b->round_trip_us);
}

static int
by_error(const struct server *a, const struct server *b)
{
    return strcasecmp(a->error.message, b->error.message);
}

static const struct {
    const char *member;
    compare_fn *compare;
} orders[] = {
    { "state", by_state },
    { "name", by_name },
    { "address", by_address },
    { "last_synchronized", by_last_synchronized },
    { "in_effect", by_in_effect },
    { "behind", by_behind },
    { "interval_s", by_interval },
    { "round_trip_ms", by_round_trip },
    { "error.message", by_error },
};

static int
read_query(struct query *q, const json_t *args, compare_fn **compare,
    struct err *e)
{
    *q = (struct query){ .filter = "", .sort = "state", .limit = LIMIT_MAX };
    *compare = NULL;
    if (json_member_string(args, "filter", false, &q->filter, e) != 0 ||
        json_member_string(args, "sort", false, &q->sort, e) != 0 ||
        json_member_bool(args, "descending", false, &q->descending, e) != 0 ||
        json_member_int(args, "offset", false, &q->offset, e) != 0 ||
        json_member_int(args, "limit", false, &q->limit, e) != 0)
        return -1;
    if (q->offset < 0 || q->limit < 1 || q->limit > LIMIT_MAX)
        return err_set(e, ERR_INVALID,
            "\"offset\" is 0 or more, \"limit\" 1 to %d", LIMIT_MAX);
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
        if (strcmp(orders[i].member, q->sort) == 0)
            *compare = orders[i].compare;
    if (*compare == NULL)
        return err_set(e, ERR_INVALID, "servers are not sorted by \"%s\"",
            q->sort);
    return 0;
}

struct order {
    compare_fn *compare;
    bool descending;
};

/* Equal ones by name, whichever way round: the order is the same each time. */
static int
compare_servers(const void *a, const void *b, void *ctx)
{
    const struct server *const *one = a, *const *two = b;
    const struct order *order = ctx;
    int r = order->compare(*one, *two);

    if (r == 0)
        return strcmp((*one)->record.name, (*two)->record.name);
    return order->descending ? -r : r;
}

static bool
passes(const struct server *server, const char *filter)
{
    return filter[0] == '\0' ||
           strcasestr(server->record.name, filter) != NULL ||
           strcasestr(server->record.host, filter) != NULL ||
           strcasestr(peer_state_name(server_state(server)), filter) != NULL ||
           strcasestr(server->error.message, filter) != NULL;
}

static json_t *
list_part(struct fleet *fleet, const struct query *q, compare_fn *compare)
{
    struct server **found =
        alloc_zeroed(fleet->server_count + 1, sizeof(*found));
    struct order order = { compare, q->descending };
    json_t *list = json_array();
    int64_t count = 0, place = 0;
    bool own = q->filter[0] == '\0' ||
               strcasestr(fleet->engine->node.name, q->filter) != NULL;

    for (size_t i = 0; i < fleet->server_count; i++)
        if (passes(fleet->servers[i], q->filter))
            found[count++] = fleet->servers[i];
    qsort_r(found, (size_t)count, sizeof(*found), compare_servers, &order);
    if (own && place++ >= q->offset)
        json_array_append_new(list, fleet_primary_json(fleet));
    for (int64_t i = 0; i < count; i++, place++)
        if (place >= q->offset && place - q->offset < q->limit)
            json_array_append_new(list, server_json(found[i]));
    free(found);
    return json_pack("{s:o, s:I}", "servers", list, "total",
        (json_int_t)count + own);
}

json_t *
fleet_list_json(struct fleet *fleet, const json_t *args, struct err *e)
{
    struct query q;
    compare_fn *compare;

    if (read_query(&q, args, &compare, e) != 0)
        return NULL;
    if (fleet->engine->node.role != NODE_PRIMARY)
        return json_pack("{s:[], s:i}", "servers", "total", 0);
    return list_part(fleet, &q, compare);
}

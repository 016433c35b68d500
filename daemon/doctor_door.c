/*
 * "doctor" about the door: what filter, bans and limits do with the caller, the
 * primary, and whoever was refused lately.
 */
#include <stdio.h>

#include "base/clock.h"
#include "daemon/doctor_check.h"
#include "daemon/engine.h"
#include "daemon/filter.h"
#include "daemon/gate.h"
#include "daemon/inbound.h"
#include "ipfilter/ruleset.h"

static void
check_filter(const struct engine *engine, json_t *checks)
{
    char text[160];

    snprintf(text, sizeof(text),
        "%zu rules of this node, %zu of the cluster, %zu by default; who "
        "matches none is refused",
        filter_count(engine->filter, FILTER_LOCAL),
        filter_count(engine->filter, FILTER_CLUSTER),
        filter_count(engine->filter, FILTER_DEFAULTS));
    doctor_add(checks, "filter", true, text, NULL);
}

static void
check_caller(const struct engine *engine, const char *caller, json_t *checks)
{
    char reason[FILTER_REASON_SIZE], text[FILTER_REASON_SIZE + 80];
    struct ip_address a;
    struct err ignored = ERR_INIT;

    if (ip_address_parse(caller, &a, &ignored) != 0)
        return;
    filter_explain(engine->filter, &a, reason);
    snprintf(text, sizeof(text), "you are seen as %s: %s", caller, reason);
    doctor_add(checks, "your address", true, text, NULL);
}

static void
check_primary(const struct engine *engine, json_t *checks)
{
    const struct node *node = &engine->node;
    char reason[FILTER_REASON_SIZE], text[FILTER_REASON_SIZE + 400];
    struct ip_address a;
    struct err ignored = ERR_INIT;
    bool allowed, banned;

    if (node->role != NODE_SECONDARY ||
        ip_address_parse(node->primary_address, &a, &ignored) != 0)
        return;
    allowed = filter_explain(engine->filter, &a, reason);
    banned = gate_banned_until(engine->gate, &a) != 0;
    snprintf(text, sizeof(text), "comes from %s: %s%s", node->primary_address,
        reason, banned ? "; banned, so only its key is served" : "");
    doctor_add(checks, "primary's address", allowed, text,
        allowed ? NULL : "Let the primary in.");
    if (!allowed)
        doctor_advise(checks, "ipfilter add allow %s --position 1",
            node->primary_address);
    if (banned)
        doctor_advise(checks, "ipfilter unban %s", node->primary_address);
}

static void
check_sessions(const struct engine *engine, json_t *checks)
{
    size_t count = inbounds_count(engine->inbounds);
    int64_t most = engine->settings.max_sessions;
    bool ok = (int64_t)count < most;
    char text[80];

    snprintf(text, sizeof(text), "%zu of at most %lld", count, (long long)most);
    doctor_add(checks, "sessions", ok, text,
        ok ? NULL : "Raise max_sessions in [limits], or end some.");
}

static void
check_bans(const struct engine *engine, json_t *checks)
{
    json_t *bans = gate_bans(engine->gate);
    size_t count = json_array_size(json_object_get(bans, "bans"));
    char text[80];

    snprintf(text, sizeof(text), "%zu sources are banned", count);
    doctor_add(checks, "bans", true, text, NULL);
    if (count > 0)
        doctor_advise(checks, "ipfilter bans");
    json_decref(bans);
}

/* What it looks like now: rules may have changed since. */
static void
check_refused(const struct engine *engine, const struct gate_refused *refused,
    json_t *checks)
{
    char address[64], name[80], stamp[CLOCK_TEXT_SIZE];
    char reason[FILTER_REASON_SIZE], text[FILTER_REASON_SIZE + 200];
    bool allowed = filter_explain(engine->filter, &refused->from, reason);

    ip_address_format(&refused->from, address);
    clock_format(refused->last_ms, stamp);
    snprintf(name, sizeof(name), "refused %s", address);
    snprintf(text, sizeof(text),
        "%llu times, last %s, by the %s%s%s; the filter now: %s",
        (unsigned long long)refused->count, stamp,
        gate_refusal_name(refused->by), refused->detail[0] != '\0' ? ": " : "",
        refused->detail, reason);
    doctor_add(checks, name, true, text, NULL);
    doctor_advise(checks, "ipfilter test %s", address);
    if (!allowed)
        doctor_advise(checks, "ipfilter add allow %s --position 1", address);
    if (gate_banned_until(engine->gate, &refused->from) != 0)
        doctor_advise(checks, "ipfilter unban %s", address);
}

void
doctor_check_door(const struct engine *engine, const char *caller,
    json_t *checks)
{
    struct gate_refused recent[GATE_RECENT];
    size_t count = gate_recent(engine->gate, recent, GATE_RECENT);

    check_filter(engine, checks);
    check_caller(engine, caller, checks);
    check_primary(engine, checks);
    check_bans(engine, checks);
    check_sessions(engine, checks);
    for (size_t i = 0; i < count; i++)
        check_refused(engine, &recent[i], checks);
}

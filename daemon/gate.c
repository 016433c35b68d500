/*
 * The door: asks filter, bans and admission, counts and reports what each
 * refused, and keeps bans in the store.
 */
#include "daemon/gate.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/filter.h"
#include "daemon/limiter.h"
#include "daemon/store.h"
#include "ipfilter/admission.h"
#include "ipfilter/sources.h"

#define LONGEST_BAN_MS ((int64_t)24 * 3600 * 1000)
#define EVENT_MS (60 * 1000)
#define LIST_MAX 10000

struct gate {
    struct engine *engine;
    struct bans *bans;
    struct admission *admission;
    uint64_t refused[GATE_REFUSALS];
    struct limiter said;
    struct gate_refused recent[GATE_RECENT]; /* the newest first */
    size_t recent_count;
};

static const struct {
    const char *name;
    const char *text;
} refusals[GATE_REFUSALS] = {
    [GATE_FILTER] = { "filter", "the filter" },
    [GATE_BAN] = { "ban", "a ban" },
    [GATE_LIMIT] = { "limit", "a limit" },
};

/* The configuration may have been read again since the last time. */
static void
follow_settings(struct gate *gate)
{
    const struct settings *s = &gate->engine->settings;
    struct ban_policy bans = { .logins = s->ban_after,
        .window_ms = s->ban_window_ms,
        .first_ms = s->ban_time_ms,
        .longest_ms = LONGEST_BAN_MS };
    struct admission_policy limits = {
        .source_rate = s->session_rate_per_source,
        .rate = s->session_rate,
        .source_most = s->max_unauthenticated_per_source,
        .begin = s->max_unauthenticated / 10,
        .begin_percent = 30,
        .full = s->max_unauthenticated,
    };

    if (gate->bans == NULL) {
        gate->bans = bans_new(&bans);
        gate->admission = admission_new(&limits);
        return;
    }
    bans_set_policy(gate->bans, &bans);
    admission_set_policy(gate->admission, &limits);
}

static int
restore_bans(struct gate *gate, struct err *e)
{
    struct store *store = gate->engine->node.store;
    struct ban *list;
    size_t count;

    /* A day after its end a ban no longer makes the next one longer. */
    if (store_bans_prune(store, clock_utc_ms() - LONGEST_BAN_MS, e) != 0 ||
        store_bans_load(store, &list, &count, e) != 0)
        return -1;
    while (count > 0)
        bans_restore(gate->bans, &list[--count]);
    free(list);
    return 0;
}

int
gate_open(struct gate **gatep, struct engine *engine, struct err *e)
{
    struct gate *gate = alloc_zeroed(1, sizeof(*gate));

    gate->engine = engine;
    limiter_init(&gate->said, EVENT_MS);
    follow_settings(gate);
    if (restore_bans(gate, e) != 0) {
        gate_close(gate);
        gate = NULL;
    }
    *gatep = gate;
    return gate != NULL ? 0 : -1;
}

void
gate_close(struct gate *gate)
{
    if (gate == NULL)
        return;
    bans_free(gate->bans);
    admission_free(gate->admission);
    free(gate);
}

/* Whose looks whether the port is open are nothing to speak of. */
static bool
is_monitor(const struct gate *gate, const struct ip_address *a)
{
    const struct address_list *list = &gate->engine->settings.monitors;

    for (size_t i = 0; i < list->count; i++)
        if (ip_range_holds(&list->ranges[i], a))
            return true;
    return false;
}

static void
note_recent(struct gate *gate, enum gate_refusal why,
    const struct ip_address *a, const char *detail)
{
    struct gate_refused *list = gate->recent;
    struct gate_refused one = { .from = *a };
    size_t i = 0;

    while (i < gate->recent_count && memcmp(&list[i].from, a, sizeof(*a)) != 0)
        i++;
    if (i < gate->recent_count)
        one.count = list[i].count;
    else if (gate->recent_count < GATE_RECENT)
        gate->recent_count++;
    else
        i--;
    memmove(list + 1, list, i * sizeof(*list));
    one.by = why;
    one.detail = detail;
    one.count++;
    one.last_ms = clock_utc_ms();
    list[0] = one;
}

static void
refuse(struct gate *gate, enum gate_refusal why, const struct ip_address *a,
    const char *detail)
{
    char reason[FILTER_REASON_SIZE];
    unsigned missed;
    char from[64];

    gate->refused[why]++;
    if (is_monitor(gate, a))
        return;
    note_recent(gate, why, a, detail);
    ip_address_format(a, from);
    if (!limiter_allows(&gate->said, from, &missed))
        return;
    if (why == GATE_FILTER) {
        filter_explain(gate->engine->filter, a, reason);
        detail = reason;
    }
    events_add(gate->engine->events, "warning", "refused", NULL, NULL,
        "%s refused a connection from %s%s%s (%u more since the last such "
        "event)",
        refusals[why].text, from, detail[0] != '\0' ? ": " : "", detail,
        missed);
}

void
gate_note_limit(struct gate *gate, const struct ip_address *a,
    const char *detail)
{
    refuse(gate, GATE_LIMIT, a, detail);
}

size_t
gate_recent(const struct gate *gate, struct gate_refused *out, size_t max)
{
    size_t count = gate->recent_count < max ? gate->recent_count : max;

    memcpy(out, gate->recent, count * sizeof(*out));
    return count;
}

static bool
is_this_node(const struct ip_address *a)
{
    char text[64];

    ip_address_format(a, text);
    return strcmp(text, "127.0.0.1") == 0 || strcmp(text, "::1") == 0;
}

bool
gate_knows(const struct gate *gate, const struct ip_address *a)
{
    const struct node *node = &gate->engine->node;
    struct ip_address primary;
    struct err ignored = ERR_INIT;

    return is_this_node(a) || (node->role == NODE_SECONDARY &&
                                  ip_address_parse(node->primary_address,
                                      &primary, &ignored) == 0 &&
                                  memcmp(&primary, a, sizeof(primary)) == 0);
}

int64_t
gate_banned_until(struct gate *gate, const struct ip_address *a)
{
    return bans_until(gate->bans, a, clock_utc_ms());
}

bool
gate_allows(struct gate *gate, const struct sockaddr *peer)
{
    struct ip_address a;

    if (!ip_address_from_socket(peer, &a))
        return false;
    if (!filter_verdict(gate->engine->filter, &a, FILTER_LOCAL)) {
        refuse(gate, GATE_FILTER, &a, "");
        return false;
    }
    follow_settings(gate);
    if (gate_banned_until(gate, &a) != 0 && !gate_knows(gate, &a)) {
        refuse(gate, GATE_BAN, &a, "");
        return false;
    }
    return true;
}

bool
gate_enter(struct gate *gate, const struct ip_address *a, bool *counted)
{
    enum admitted verdict;
    uint32_t random;

    *counted = false;
    if (gate_knows(gate, a))
        return true;
    random_bytes(&random, sizeof(random));
    follow_settings(gate);
    verdict = admission_ask(gate->admission, a, clock_mono_ms(), random);
    if (verdict == ADMITTED) {
        *counted = true;
        return true;
    }
    refuse(gate, GATE_LIMIT, a, admission_reason(verdict));
    return false;
}

void
gate_leave(struct gate *gate, const struct ip_address *a)
{
    admission_release(gate->admission, a);
}

const char *
gate_refuses_passwords(struct gate *gate, const struct ip_address *a)
{
    const struct engine *engine = gate->engine;

    if (gate_banned_until(gate, a) != 0)
        return "its address is banned";
    if (engine->node.role == NODE_SECONDARY &&
        !engine->settings.passwords_anywhere && !ip_address_is_loopback(a))
        return "on a secondary passwords are taken from loopback only "
               "([limits] password_logins)";
    return NULL;
}

static void
report_ban(struct gate *gate, const struct ban *ban)
{
    struct err e = ERR_INIT;
    struct ip_range range = ip_source_range(&ban->source);
    char source[128];
    char until[CLOCK_TEXT_SIZE];

    ip_range_format(&range, source);
    clock_format(ban->until_ms, until);
    events_add(gate->engine->events, "warning", "banned", NULL, NULL,
        "%s is banned until %s (ban %lld)", source, until,
        (long long)ban->times);
    if (store_ban_save(gate->engine->node.store, ban, &e) != 0)
        log_warning("the ban of %s is not kept over a restart: %s", source,
            e.message);
}

void
gate_offence(struct gate *gate, const struct ip_address *a,
    enum offence offence)
{
    struct ban ban;

    if (offence != OFFENCE_LOGIN && gate_knows(gate, a))
        return;
    if ((offence == OFFENCE_LEFT || offence == OFFENCE_TIME) &&
        is_monitor(gate, a))
        return;
    follow_settings(gate);
    if (bans_offence(gate->bans, a, offence, clock_utc_ms(), &ban))
        report_ban(gate, &ban);
}

static json_t *
ban_json(const struct ban *ban)
{
    struct ip_range range = ip_source_range(&ban->source);
    char source[128];

    ip_range_format(&range, source);
    return json_pack("{s:s,s:o,s:o,s:I}", "source", source, "since",
        json_time(ban->since_ms), "until", json_time(ban->until_ms), "times",
        (json_int_t)ban->times);
}

json_t *
gate_bans(struct gate *gate)
{
    struct ban *list = alloc_zeroed(LIST_MAX, sizeof(*list));
    size_t count = bans_list(gate->bans, clock_utc_ms(), list, LIST_MAX);
    json_t *bans = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(bans, ban_json(&list[i]));
    free(list);
    return json_pack("{s:o}", "bans", bans);
}

static size_t
unban_one(struct gate *gate, const struct ip_address *a)
{
    struct ip_address source = ip_source(a);
    struct err e = ERR_INIT;

    if (store_ban_delete(gate->engine->node.store, &source, &e) != 0)
        log_warning("%s", e.message);
    return bans_lift(gate->bans, a, clock_utc_ms());
}

size_t
gate_unban(struct gate *gate, const struct ip_address *a)
{
    struct ban *list;
    size_t count, lifted = 0;

    if (a != NULL)
        return unban_one(gate, a);
    list = alloc_zeroed(BANS_MAX, sizeof(*list));
    count = bans_list(gate->bans, clock_utc_ms(), list, BANS_MAX);
    for (size_t i = 0; i < count; i++)
        lifted += unban_one(gate, &list[i].source);
    free(list);
    return lifted;
}

uint64_t
gate_refused(const struct gate *gate, enum gate_refusal why)
{
    return gate->refused[why];
}

const char *
gate_refusal_name(enum gate_refusal why)
{
    return refusals[why].name;
}

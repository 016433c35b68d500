/*
 * Offences are summed in slots of a thirtieth of the window, so that any ten of
 * them within a window are seen as ten, whenever they come, without keeping
 * each.
 */
#include "ipfilter/bans.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ipfilter/sources.h"

#define SLOTS 30
#define WEIGHT_LOGIN 10

struct offender {
    struct source source;
    /* Of the present window; the slot of newest is slots[newest % count]. */
    uint16_t slots[SLOTS + 1];
    int64_t newest;
    struct ban ban; /* the last one; times 0: none yet */
};

struct bans {
    struct ban_policy policy;
    struct sources *sources;
    int64_t now_ms; /* for keep() */
};

static const uint16_t weights[] = {
    [OFFENCE_LEFT] = 1,
    [OFFENCE_LOGIN] = WEIGHT_LOGIN,
    [OFFENCE_TIME] = 10,
    [OFFENCE_PROTOCOL] = 20,
    [OFFENCE_CRASH] = 50,
};

static bool
is_banned(const struct bans *bans, const struct offender *o, int64_t now_ms)
{
    return o->ban.times > 0 && o->ban.until_ms > now_ms &&
           o->ban.until_ms - now_ms <= bans->policy.longest_ms;
}

static bool
keep_banned(const struct source *s, void *ctx)
{
    const struct bans *bans = ctx;

    return is_banned(bans, (const struct offender *)s, bans->now_ms);
}

struct bans *
bans_new(const struct ban_policy *policy)
{
    struct bans *bans = alloc_zeroed(1, sizeof(*bans));

    bans->policy = *policy;
    bans->sources =
        sources_new(sizeof(struct offender), BANS_MAX, keep_banned, bans);
    return bans;
}

void
bans_free(struct bans *bans)
{
    if (bans == NULL)
        return;
    sources_free(bans->sources);
    free(bans);
}

void
bans_set_policy(struct bans *bans, const struct ban_policy *policy)
{
    bans->policy = *policy;
}

/* Clears the slots that have passed since the newest. */
static void
move_window(struct offender *o, int64_t slot)
{
    /* A clock that was put back begins anew. */
    if (slot < o->newest || slot - o->newest > SLOTS)
        memset(o->slots, 0, sizeof(o->slots));
    else
        for (int64_t i = o->newest + 1; i <= slot; i++)
            o->slots[i % (SLOTS + 1)] = 0;
    o->newest = slot;
}

static int64_t
sum_of(const struct offender *o)
{
    int64_t sum = 0;

    for (size_t i = 0; i <= SLOTS; i++)
        sum += o->slots[i];
    return sum;
}

/* Twice the last one, unless that is long ago. */
static void
begin_ban(const struct ban_policy *policy, struct offender *o, int64_t now_ms)
{
    int64_t length = policy->first_ms;

    if (o->ban.times > 0 && now_ms - o->ban.until_ms > policy->longest_ms)
        o->ban.times = 0;
    for (int64_t i = 0; i < o->ban.times && length < policy->longest_ms; i++)
        length *= 2;
    if (length > policy->longest_ms)
        length = policy->longest_ms;
    o->ban.source = o->source.address;
    o->ban.since_ms = now_ms;
    o->ban.until_ms = now_ms + length;
    o->ban.times++;
    memset(o->slots, 0, sizeof(o->slots));
}

bool
bans_offence(struct bans *bans, const struct ip_address *a,
    enum offence offence, int64_t now_ms, struct ban *ban)
{
    int64_t slot_ms = bans->policy.window_ms / SLOTS;
    struct offender *o;
    uint16_t *slot;

    if (bans->policy.logins == 0)
        return false;
    bans->now_ms = now_ms;
    o = sources_get(bans->sources, a);
    if (is_banned(bans, o, now_ms))
        return false;
    move_window(o, now_ms / (slot_ms > 0 ? slot_ms : 1));
    slot = &o->slots[o->newest % (SLOTS + 1)];
    if (*slot <= UINT16_MAX - weights[offence])
        *slot = (uint16_t)(*slot + weights[offence]);
    if (sum_of(o) < bans->policy.logins * WEIGHT_LOGIN)
        return false;
    begin_ban(&bans->policy, o, now_ms);
    *ban = o->ban;
    return true;
}

int64_t
bans_until(struct bans *bans, const struct ip_address *a, int64_t now_ms)
{
    struct offender *o = sources_find(bans->sources, a);

    return o != NULL && is_banned(bans, o, now_ms) ? o->ban.until_ms : 0;
}

bool
bans_lift(struct bans *bans, const struct ip_address *a, int64_t now_ms)
{
    struct offender *o = sources_find(bans->sources, a);
    bool banned = o != NULL && is_banned(bans, o, now_ms);

    if (o != NULL)
        sources_drop(bans->sources, o);
    return banned;
}

void
bans_restore(struct bans *bans, const struct ban *ban)
{
    struct offender *o = sources_get(bans->sources, &ban->source);

    o->ban = *ban;
    o->ban.source = o->source.address;
}

size_t
bans_list(struct bans *bans, int64_t now_ms, struct ban *list, size_t most)
{
    const struct offender *o = NULL;
    size_t count = 0;

    while (count < most && (o = sources_next(bans->sources, o)) != NULL)
        if (is_banned(bans, o, now_ms))
            list[count++] = o->ban;
    return count;
}

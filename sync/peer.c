/*
 * The state of a server as its primary shows it, and the rhythm of attempts.
 * Connections and pushes are the daemon's matter.
 */
#include "sync/peer.h"

#include <stddef.h>

#define BACKOFF_FIRST_MS 500
#define REFUSED_PATIENCE 4

static const char *const state_names[PEER_STATE_COUNT] = {
    [PEER_KEY_CHANGED] = "key-changed",
    [PEER_REFUSED] = "refused",
    [PEER_HELD] = "held",
    [PEER_DRIFTED] = "drifted",
    [PEER_UNREACHABLE] = "unreachable",
    [PEER_OVERWRITING] = "overwriting",
    [PEER_BEHIND] = "behind",
    [PEER_PAUSED] = "paused",
    [PEER_SYNCHRONIZED] = "synchronized",
    [PEER_PRIMARY] = "primary",
};

const char *
peer_state_name(enum peer_state state)
{
    return state_names[state];
}

enum peer_state
peer_state_of(const struct peer_facts *facts)
{
    /* A paused server is not spoken to, so what was last known of its
     * connection or its rows says nothing: those rank below the pause. */
    const struct {
        bool holds;
        enum peer_state state;
    } rules[] = {
        { facts->key_changed, PEER_KEY_CHANGED },
        { facts->refused, PEER_REFUSED },
        { facts->held, PEER_HELD },
        { facts->paused, PEER_PAUSED },
        { facts->drifted, PEER_DRIFTED },
        { facts->unreachable, PEER_UNREACHABLE },
        { facts->overwriting, PEER_OVERWRITING },
        { !facts->equal, PEER_BEHIND },
    };

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (rules[i].holds)
            return rules[i].state;
    }
    return PEER_SYNCHRONIZED;
}

int64_t
backoff_next_ms(struct backoff *b, int64_t limit_ms, uint32_t random)
{
    int64_t delay_ms = BACKOFF_FIRST_MS;

    for (unsigned i = 0; i < b->failures && delay_ms < limit_ms; i++)
        delay_ms *= 2;
    if (delay_ms > limit_ms)
        delay_ms = limit_ms;
    b->failures++;
    return delay_ms - delay_ms / 4 +
           (int64_t)(random % (uint32_t)(delay_ms / 2 + 1));
}

int64_t
backoff_refused_ms(struct backoff *b, int64_t limit_ms, uint32_t random)
{
    return REFUSED_PATIENCE * backoff_next_ms(b, limit_ms, random);
}

void
backoff_reset(struct backoff *b)
{
    b->failures = 0;
}

int64_t
peer_next_due_ms(int64_t due_ms, int64_t interval_ms, int64_t now_ms)
{
    if (due_ms + interval_ms > now_ms)
        return due_ms + interval_ms;
    return now_ms + interval_ms - (now_ms - due_ms) % interval_ms;
}

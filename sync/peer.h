/*
 * What a primary knows of one server, apart from any connection: in which state
 * it is, and when to try again.  Pure logic on the clock's values.
 */
#ifndef SYNC_PEER_H
#define SYNC_PEER_H

#include <stdbool.h>
#include <stdint.h>

/* Worst first; docs of cli.md ("States of a server"). */
enum peer_state {
    PEER_KEY_CHANGED,
    PEER_REFUSED,
    PEER_HELD,
    PEER_DRIFTED,
    PEER_UNREACHABLE,
    PEER_OVERWRITING,
    PEER_BEHIND,
    PEER_PAUSED,
    PEER_SYNCHRONIZED,
    PEER_PRIMARY,
    PEER_STATE_COUNT
};

/* "key-changed", ... */
const char *peer_state_name(enum peer_state state);

/* The facts from which the state follows. */
struct peer_facts {
    bool key_changed;
    bool refused;
    bool held; /* this server, or a dataset on the primary */
    bool drifted;
    bool unreachable; /* the last attempt to connect failed, or the link fell */
    bool overwriting;
    bool paused; /* by an administrator, or sync is off */
    bool equal;  /* confirmed the newest revision of every dataset, and
                         nothing was unpublished */
};

enum peer_state peer_state_of(const struct peer_facts *facts);

/* Backoff: doubling from 0.5 s to LIMIT_MS, plus or minus a quarter. */
struct backoff {
    unsigned failures;
};

/* The delay before the next attempt, after one more failure.  RANDOM is any
 * number; it decides the jitter. */
int64_t backoff_next_ms(struct backoff *b, int64_t limit_ms, uint32_t random);
/* The same after a refused login, four times as long: a node bans whom it has
 * refused ten times in five minutes, and is to know us when it is registered
 * again. */
int64_t backoff_refused_ms(struct backoff *b, int64_t limit_ms,
    uint32_t random);
void backoff_reset(struct backoff *b);

/* When a server with INTERVAL_MS that was due at DUE_MS is due next, seen from
 * NOW_MS (monotonic): on its own grid, never in the past. */
int64_t peer_next_due_ms(int64_t due_ms, int64_t interval_ms, int64_t now_ms);

#endif

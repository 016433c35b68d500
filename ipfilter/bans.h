/*
 * Sources that are kept out for a while because of what came from them.  Each
 * offence has a weight; a source whose offences of the last window reach the
 * threshold is banned, and twice as long each further time.  Pure logic: no
 * I/O, no clock.  What OpenSSH calls PerSourcePenalties, with bans that an
 * administrator can list and lift.
 */
#ifndef IPFILTER_BANS_H
#define IPFILTER_BANS_H

#include "ipfilter/ruleset.h"

enum offence {
    OFFENCE_LEFT,     /* connected and left without trying to log in: 1 */
    OFFENCE_LOGIN,    /* a login that was refused: 10 */
    OFFENCE_TIME,     /* no login in time: 10 */
    OFFENCE_PROTOCOL, /* broke the protocol: 20 */
    OFFENCE_CRASH,    /* its session crashed: 50 */
};

struct ban_policy {
    /* Refused logins within the window that make a ban; 0: never. */
    int64_t logins;
    int64_t window_ms;
    int64_t first_ms;
    int64_t longest_ms;
};

struct ban {
    struct ip_address source; /* IPv6: the /64 of it */
    int64_t since_ms;         /* UTC */
    int64_t until_ms;
    int64_t times; /* bans so far, this one included */
};

/* Sources that are remembered at once. */
#define BANS_MAX 65536

struct bans;

struct bans *bans_new(const struct ban_policy *policy);
void bans_free(struct bans *bans);
void bans_set_policy(struct bans *bans, const struct ban_policy *policy);
/* True when this offence made a ban, which *BAN describes. */
bool bans_offence(struct bans *bans, const struct ip_address *a,
    enum offence offence, int64_t now_ms, struct ban *ban);
/* Until when A is banned; 0: it is not.  A clock that was put back makes no ban
 * longer than the policy's longest. */
int64_t bans_until(struct bans *bans, const struct ip_address *a,
    int64_t now_ms);
/* Lifts it and forgives; false when there was none. */
bool bans_lift(struct bans *bans, const struct ip_address *a, int64_t now_ms);
/* Brings one back that was kept over a restart. */
void bans_restore(struct bans *bans, const struct ban *ban);
/* Those in force, the newest first; returns how many, at most MOST. */
size_t bans_list(struct bans *bans, int64_t now_ms, struct ban *list,
    size_t most);

#endif

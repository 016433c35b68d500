/*
 * Who gets past the admin port's door: the filter, then bans, then the limits
 * on sessions before their login.  Whoever is refused here has not got one byte
 * from us.
 *
 * This node itself (127.0.0.1, ::1) and the primary that a secondary belongs to
 * are known: limits do not concern them, and a ban refuses them passwords only,
 * because their keys are what the node is run with.
 */
#ifndef DAEMON_GATE_H
#define DAEMON_GATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "ipfilter/bans.h"

struct engine;
struct gate;

enum gate_refusal { GATE_FILTER, GATE_BAN, GATE_LIMIT, GATE_REFUSALS };

int gate_open(struct gate **gate, struct engine *engine, struct err *e);
void gate_close(struct gate *gate);
/* On a new connection: filter and bans.  False: close it. */
bool gate_allows(struct gate *gate, const struct sockaddr *peer);
/* Counts and reports a connection that was refused for a limit of somebody
 * else's; DETAIL is a constant. */
void gate_note_limit(struct gate *gate, const struct ip_address *a,
    const char *detail);
bool gate_knows(const struct gate *gate, const struct ip_address *a);
/* Before a session is started; false: close the connection.  *COUNTED: call
 * gate_leave once the session has logged in or is gone. */
bool gate_enter(struct gate *gate, const struct ip_address *a, bool *counted);
void gate_leave(struct gate *gate, const struct ip_address *a);
/* Why passwords from A are not even looked at, or NULL. */
const char *gate_refuses_passwords(struct gate *gate,
    const struct ip_address *a);
/* What A did.  Of known ones only refused logins count. */
void gate_offence(struct gate *gate, const struct ip_address *a,
    enum offence offence);
/* {"bans": [{source, since, until, times}]}, the newest first. */
json_t *gate_bans(struct gate *gate);
/* When the ban of A ends (UTC ms), or 0. */
int64_t gate_banned_until(struct gate *gate, const struct ip_address *a);
/* Lifts the ban of A, or with NULL all; returns how many. */
size_t gate_unban(struct gate *gate, const struct ip_address *a);
/* Connections refused since the start. */
/* Who was refused lately, the newest first: at most MAX, one per address. */
struct gate_refused {
    struct ip_address from;
    enum gate_refusal by;
    const char *detail; /* "" or which limit */
    uint64_t count;
    int64_t last_ms; /* UTC */
};
#define GATE_RECENT 16
size_t gate_recent(const struct gate *gate, struct gate_refused *out,
    size_t max);
uint64_t gate_refused(const struct gate *gate, enum gate_refusal why);
const char *gate_refusal_name(enum gate_refusal why);

#endif

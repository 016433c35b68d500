/*
 * Who may connect to the admin port: ordered rules, the first that matches
 * decides, then the default.  Pure logic: no I/O, no clock.
 *
 *     struct ruleset *r = ruleset_new(IPFILTER_DENY);
 *     ruleset_add(r, &rule);
 *     ruleset_compile(r, IPFILTER_ADMIN);
 *     verdict = ruleset_match(r, &address, IPFILTER_ADMIN, now_ms, &which);
 *
 * IPv4-mapped IPv6 addresses are IPv4 addresses throughout, and a range of IPv6
 * never holds one: "::/0" is all of IPv6 and no more.
 */
#ifndef IPFILTER_RULESET_H
#define IPFILTER_RULESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

enum ipfilter_action { IPFILTER_DENY, IPFILTER_ALLOW };
enum ipfilter_scope {
    IPFILTER_ADMIN = 1,
    IPFILTER_SERVICE = 2,
    IPFILTER_BOTH = 3
};

/* 16 bytes; IPv4 as ::ffff:a.b.c.d. */
struct ip_address {
    uint8_t bytes[16];
};

struct ip_range {
    struct ip_address first;
    struct ip_address last;
};

struct ipfilter_rule {
    enum ipfilter_action action;
    struct ip_range range;
    enum ipfilter_scope scope;
    int64_t expires_ms; /* UTC; 0: never */
    int64_t id;         /* the caller's */
};

int ip_address_parse(const char *text, struct ip_address *a, struct err *e);
void ip_address_format(const struct ip_address *a, char out[64]);
/* From a socket address of AF_INET or AF_INET6; false for others. */
bool ip_address_from_socket(const struct sockaddr *sa, struct ip_address *a);
bool ip_address_is_loopback(const struct ip_address *a);
/* "10.0.0.1", "10.0.0.0/8", "10.0.0.1-10.0.0.9", the same in IPv6.  Host bits
 * below a prefix, a range backwards or across families are ERR_INVALID. */
int ip_range_parse(const char *text, struct ip_range *r, struct err *e);
/* Whether A lies within; never across families. */
bool ip_range_holds(const struct ip_range *r, const struct ip_address *a);
/* The shortest of the three forms. */
void ip_range_format(const struct ip_range *r, char out[128]);

/* More rules than this make no set: nobody can read them. */
#define RULESET_MAX 1000000

struct ruleset;
struct ruleset *ruleset_new(enum ipfilter_action default_action);
void ruleset_free(struct ruleset *r);
/* Appends; order is priority.  The caller keeps below RULESET_MAX. */
void ruleset_add(struct ruleset *r, const struct ipfilter_rule *rule);
/* The default rules of a node: loopback and private networks, then deny:
 * 127.0.0.0/8, ::1, 10/8, 172.16/12, 192.168/16, 169.254/16, fc00::/7 and
 * fe80::/10. */
void ruleset_add_defaults(struct ruleset *r);
/* Prepares the set for many questions about SCOPE: a question is a binary
 * search then, followed by the rules one by one only where the first to hold
 * the address has expired.  Without it, or after another ruleset_add, every
 * question goes through the rules one by one. */
void ruleset_compile(struct ruleset *r, enum ipfilter_scope scope);
/* The rule at INDEX, below the count; borrowed. */
const struct ipfilter_rule *ruleset_at(const struct ruleset *r, size_t index);
/* The first rule of that id, borrowed; NULL. */
const struct ipfilter_rule *ruleset_find(const struct ruleset *r, int64_t id);
size_t ruleset_count(const struct ruleset *r);
/* The verdict for SCOPE; *RULE is the rule's id, or -1 for the default. */
enum ipfilter_action ruleset_match(const struct ruleset *r,
    const struct ip_address *a, enum ipfilter_scope scope, int64_t now_ms,
    int64_t *rule);

#endif

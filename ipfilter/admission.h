/*
 * How many connections may be before their login at once, and how fast new ones
 * are taken: per source and in all.  Pure logic: no I/O, no clock.  As
 * OpenSSH's MaxStartups, with rates beside it.
 *
 *     if (admission_ask(a, &address, now_ms, random) == ADMITTED)
 *         ... later, exactly once: admission_release(a, &address);
 */
#ifndef IPFILTER_ADMISSION_H
#define IPFILTER_ADMISSION_H

#include "ipfilter/ruleset.h"

enum admitted {
    ADMITTED,
    ADMITTED_SOURCE_RATE, /* refused: too many a second from there */
    ADMITTED_RATE,        /* refused: too many a second in all */
    ADMITTED_SOURCE_FULL, /* refused: too many before login from there */
    ADMITTED_FULL,        /* refused: too many before login in all */
};

struct admission_policy {
    /* Connections a second; as many at once after a pause of a second. */
    int64_t source_rate;
    int64_t rate;
    /* Before login at once from one source. */
    int64_t source_most;
    /* Before login in all: from BEGIN on, BEGIN_PERCENT of new connections are
     * refused, rising to all of them at FULL. */
    int64_t begin;
    int64_t begin_percent;
    int64_t full;
};

/* Sources that are counted at once. */
#define ADMISSION_SOURCES_MAX 8192

struct admission;

struct admission *admission_new(const struct admission_policy *policy);
void admission_free(struct admission *a);
void admission_set_policy(struct admission *a,
    const struct admission_policy *policy);
/* NOW_MS: any clock that does not go back.  RANDOM: evenly from all 32 bits.
 * ADMITTED counts a connection that is before its login. */
enum admitted admission_ask(struct admission *a,
    const struct ip_address *address, int64_t now_ms, uint32_t random);
/* It has logged in, or is gone. */
void admission_release(struct admission *a, const struct ip_address *address);
/* Connections before their login. */
size_t admission_count(const struct admission *a);
/* Why, as words for an event: "more than 10 connections a second from there".
 */
const char *admission_reason(enum admitted verdict);

#endif

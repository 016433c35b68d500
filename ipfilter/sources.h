/*
 * What is remembered about the sources of connections, in bounded memory: a
 * source is an IPv4 address, or the /64 of an IPv6 one, because whoever has one
 * of those has them all.  Pure logic: no I/O, no clock.
 */
#ifndef IPFILTER_SOURCES_H
#define IPFILTER_SOURCES_H

#include <stdbool.h>
#include <stddef.h>

#include "ipfilter/ruleset.h"

/* The first address of the source that A belongs to. */
struct ip_address ip_source(const struct ip_address *a);
/* That source as a range. */
struct ip_range ip_source_range(const struct ip_address *a);

struct sources;

/* Begins what a module keeps about one source; zeroed when new. */
struct source {
    struct ip_address address; /* as ip_source() gives it */
    struct source *newer;
    struct source *older;
};

/* SIZE bytes each, of which the first are a struct source; at most MOST of
 * them.  KEEP says which ones are not the first to be forgotten when there is
 * no room; NULL: none. */
struct sources *sources_new(size_t size, size_t most,
    bool (*keep)(const struct source *s, void *ctx), void *ctx);
void sources_free(struct sources *sources);
/* NULL when nothing is known. */
void *sources_find(struct sources *sources, const struct ip_address *a);
/* Found or made, and the newest now.  Where there is no room the oldest goes
 * that KEEP does not speak for, among the SOURCES_LOOK oldest, or else the
 * oldest. */
void *sources_get(struct sources *sources, const struct ip_address *a);
void sources_drop(struct sources *sources, void *source);
size_t sources_count(const struct sources *sources);
/* From the newest to the oldest: NULL begins; NULL ends.  The one that was
 * returned may be dropped after the next was asked for. */
void *sources_next(struct sources *sources, const void *after);

#define SOURCES_LOOK 16

#endif

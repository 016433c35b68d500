/*
 * A list of rules cut into disjoint spans of addresses, each with the first
 * rule that holds it: finding a verdict among 100,000 rules is a binary search.
 * Built once, then read only.
 */
#ifndef IPFILTER_SPANS_H
#define IPFILTER_SPANS_H

#include <stddef.h>
#include <stdint.h>

#include "ipfilter/ruleset.h"

#define SPANS_NO_RULE UINT32_MAX

struct spans;

/* From the rules of SCOPE (one bit), as if none ever expired; COUNT is below
 * SPANS_NO_RULE.  RULES is not kept.  spans_free() releases. */
struct spans *spans_build(const struct ipfilter_rule *rules, size_t count,
    enum ipfilter_scope scope);
void spans_free(struct spans *spans);
/* The index of the first rule that holds A, or SPANS_NO_RULE. */
uint32_t spans_find(const struct spans *spans, const struct ip_address *a);

#endif

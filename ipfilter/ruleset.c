/*
 * The rules in order, and the first that matches.  Rules are kept as they were
 * added; once compiled, each scope has its spans (spans.h), and the list itself
 * is searched only from a rule that has expired since.
 */
#include "ipfilter/ruleset.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ipfilter/ip_family.h"
#include "ipfilter/spans.h"

struct ruleset {
    enum ipfilter_action default_action;
    struct ipfilter_rule *rules;
    size_t count;
    size_t capacity;
    /* NULL until compiled. */
    struct spans *admin;
    struct spans *service;
};

/* Loopback, private and link-local networks. */
static const char *const default_ranges[] = {
    "127.0.0.0/8",
    "::1",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
};

struct ruleset *
ruleset_new(enum ipfilter_action default_action)
{
    struct ruleset *r = alloc_zeroed(1, sizeof(*r));

    r->default_action = default_action;
    return r;
}

static void
forget_spans(struct ruleset *r)
{
    spans_free(r->admin);
    spans_free(r->service);
    r->admin = NULL;
    r->service = NULL;
}

void
ruleset_free(struct ruleset *r)
{
    if (r == NULL)
        return;
    forget_spans(r);
    free(r->rules);
    free(r);
}

void
ruleset_compile(struct ruleset *r, enum ipfilter_scope scope)
{
    forget_spans(r);
    if (scope & IPFILTER_ADMIN)
        r->admin = spans_build(r->rules, r->count, IPFILTER_ADMIN);
    if (scope & IPFILTER_SERVICE)
        r->service = spans_build(r->rules, r->count, IPFILTER_SERVICE);
}

void
ruleset_add(struct ruleset *r, const struct ipfilter_rule *rule)
{
    assert(r->count < RULESET_MAX);
    forget_spans(r);
    if (r->count == r->capacity) {
        r->capacity = r->capacity > 0 ? 2 * r->capacity : 16;
        r->rules = alloc_resize(r->rules, r->capacity, sizeof(*r->rules));
    }
    r->rules[r->count++] = *rule;
}

void
ruleset_add_defaults(struct ruleset *r)
{
    struct ipfilter_rule rule = { .action = IPFILTER_ALLOW,
        .scope = IPFILTER_BOTH };
    struct err e = ERR_INIT;
    size_t i;
    int parsed;

    for (i = 0; i < sizeof(default_ranges) / sizeof(default_ranges[0]); i++) {
        parsed = ip_range_parse(default_ranges[i], &rule.range, &e);
        assert(parsed == 0);
        (void)parsed;
        rule.id = (int64_t)i;
        ruleset_add(r, &rule);
    }
}

const struct ipfilter_rule *
ruleset_at(const struct ruleset *r, size_t index)
{
    assert(index < r->count);
    return &r->rules[index];
}

const struct ipfilter_rule *
ruleset_find(const struct ruleset *r, int64_t id)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->rules[i].id == id)
            return &r->rules[i];
    return NULL;
}

size_t
ruleset_count(const struct ruleset *r)
{
    return r->count;
}

static const struct spans *
spans_of(const struct ruleset *r, enum ipfilter_scope scope)
{
    switch (scope) {
    case IPFILTER_ADMIN:
        return r->admin;
    case IPFILTER_SERVICE:
        return r->service;
    default:
        return NULL;
    }
}

enum ipfilter_action
ruleset_match(const struct ruleset *r, const struct ip_address *a,
    enum ipfilter_scope scope, int64_t now_ms, int64_t *rule)
{
    const struct spans *spans = spans_of(r, scope);
    uint32_t first = spans != NULL ? spans_find(spans, a) : 0;
    const struct ipfilter_rule *p;

    *rule = -1;
    if (first == SPANS_NO_RULE)
        return r->default_action;
    for (p = r->rules + first; p < r->rules + r->count; p++) {
        if (!(p->scope & scope) ||
            (p->expires_ms != 0 && p->expires_ms <= now_ms) ||
            !ip_range_holds(&p->range, a))
            continue;
        *rule = p->id;
        return p->action;
    }
    return r->default_action;
}

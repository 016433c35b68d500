/*
 * Token buckets for the rates, counters for what is before its login.
 */
#include "ipfilter/admission.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "ipfilter/sources.h"

#define TOKEN 1000 /* thousandths of a connection: whole numbers per ms */

struct bucket {
    int64_t tokens;
    int64_t filled_ms;
    bool started;
};

struct visitor {
    struct source source;
    struct bucket bucket;
    size_t waiting; /* before login */
};

struct admission {
    struct admission_policy policy;
    struct sources *sources;
    struct bucket bucket;
    size_t waiting;
};

static bool
keep_waiting(const struct source *s, void *ctx)
{
    (void)ctx;
    return ((const struct visitor *)s)->waiting > 0;
}

struct admission *
admission_new(const struct admission_policy *policy)
{
    struct admission *a = alloc_zeroed(1, sizeof(*a));

    a->policy = *policy;
    a->sources = sources_new(sizeof(struct visitor), ADMISSION_SOURCES_MAX,
        keep_waiting, NULL);
    return a;
}

void
admission_free(struct admission *a)
{
    if (a == NULL)
        return;
    sources_free(a->sources);
    free(a);
}

void
admission_set_policy(struct admission *a, const struct admission_policy *policy)
{
    a->policy = *policy;
}

/* Fills B for the time that has passed; true when one token is there. */
static bool
has_token(struct bucket *b, int64_t rate, int64_t now_ms)
{
    int64_t most = rate * TOKEN;
    int64_t passed = now_ms - b->filled_ms;

    if (!b->started || passed >= 1000)
        b->tokens = most;
    else if (passed > 0)
        b->tokens += rate * passed;
    if (b->tokens > most)
        b->tokens = most;
    b->started = true;
    b->filled_ms = now_ms;
    return b->tokens >= TOKEN;
}

/* Refused at random from BEGIN on, so that a flood leaves some room to others.
 */
static bool
is_full(const struct admission *a, uint32_t random)
{
    const struct admission_policy *p = &a->policy;
    int64_t waiting = (int64_t)a->waiting;
    int64_t percent;

    if (waiting >= p->full)
        return true;
    if (waiting < p->begin)
        return false;
    percent = p->begin_percent + (100 - p->begin_percent) *
                                     (waiting - p->begin) /
                                     (p->full - p->begin);
    return (int64_t)((uint64_t)random * 100 >> 32) < percent;
}

enum admitted
admission_ask(struct admission *a, const struct ip_address *address,
    int64_t now_ms, uint32_t random)
{
    struct visitor *v = sources_get(a->sources, address);
    bool source_token = has_token(&v->bucket, a->policy.source_rate, now_ms);
    bool token = has_token(&a->bucket, a->policy.rate, now_ms);

    /* What one source does beyond its own limits costs the others nothing. */
    if (!source_token)
        return ADMITTED_SOURCE_RATE;
    if ((int64_t)v->waiting >= a->policy.source_most)
        return ADMITTED_SOURCE_FULL;
    v->bucket.tokens -= TOKEN;
    if (!token)
        return ADMITTED_RATE;
    if (is_full(a, random))
        return ADMITTED_FULL;
    a->bucket.tokens -= TOKEN;
    v->waiting++;
    a->waiting++;
    return ADMITTED;
}

void
admission_release(struct admission *a, const struct ip_address *address)
{
    struct visitor *v = sources_find(a->sources, address);

    a->waiting--;
    if (v != NULL && v->waiting > 0)
        v->waiting--;
}

size_t
admission_count(const struct admission *a)
{
    return a->waiting;
}

const char *
admission_reason(enum admitted verdict)
{
    static const char *const reasons[] = {
        [ADMITTED] = "admitted",
        [ADMITTED_SOURCE_RATE] = "too many connections a second from there",
        [ADMITTED_RATE] = "too many connections a second",
        [ADMITTED_SOURCE_FULL] = "too many logins under way from there",
        [ADMITTED_FULL] = "too many logins under way",
    };

    return reasons[verdict];
}

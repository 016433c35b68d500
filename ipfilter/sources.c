/*
 * A balanced tree by address (tsearch of the C library: whoever chooses his
 * addresses makes it no slower) and a list by age.
 */
#include "ipfilter/sources.h"

#include <assert.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ipfilter/ip_family.h"

struct sources {
    size_t size;
    size_t most;
    size_t count;
    bool (*keep)(const struct source *s, void *ctx);
    void *ctx;
    void *tree;
    struct source *newest;
    struct source *oldest;
};

struct ip_address
ip_source(const struct ip_address *a)
{
    struct ip_address source = *a;

    if (!ip_address_is_v4(a))
        memset(source.bytes + 8, 0, 8);
    return source;
}

struct ip_range
ip_source_range(const struct ip_address *a)
{
    struct ip_range range = { ip_source(a), ip_source(a) };

    if (!ip_address_is_v4(a))
        memset(range.last.bytes + 8, 0xff, 8);
    return range;
}

static int
by_address(const void *a, const void *b)
{
    const struct source *x = a;
    const struct source *y = b;

    return memcmp(&x->address, &y->address, sizeof(x->address));
}

struct sources *
sources_new(size_t size, size_t most,
    bool (*keep)(const struct source *s, void *ctx), void *ctx)
{
    struct sources *sources = alloc_zeroed(1, sizeof(*sources));

    sources->size = size;
    sources->most = most;
    sources->keep = keep;
    sources->ctx = ctx;
    return sources;
}

void
sources_free(struct sources *sources)
{
    if (sources == NULL)
        return;
    while (sources->newest != NULL)
        sources_drop(sources, sources->newest);
    free(sources);
}

static void
link_newest(struct sources *sources, struct source *s)
{
    s->newer = NULL;
    s->older = sources->newest;
    if (s->older != NULL)
        s->older->newer = s;
    else
        sources->oldest = s;
    sources->newest = s;
}

static void
unlink_source(struct sources *sources, struct source *s)
{
    *(s->newer != NULL ? &s->newer->older : &sources->newest) = s->older;
    *(s->older != NULL ? &s->older->newer : &sources->oldest) = s->newer;
}

void
sources_drop(struct sources *sources, void *source)
{
    struct source *s = source;

    tdelete(s, &sources->tree, by_address);
    unlink_source(sources, s);
    sources->count--;
    free(s);
}

void *
sources_find(struct sources *sources, const struct ip_address *a)
{
    struct source key = { .address = ip_source(a) };
    struct source **found = tfind(&key, &sources->tree, by_address);

    return found != NULL ? *found : NULL;
}

static void
make_room(struct sources *sources)
{
    struct source *s = sources->oldest;

    for (int i = 0; i < SOURCES_LOOK && s != NULL; i++, s = s->newer)
        if (sources->keep == NULL || !sources->keep(s, sources->ctx))
            break;
    assert(sources->oldest != NULL); /* MOST is not 0 */
    if (s == NULL || (sources->keep != NULL && sources->keep(s, sources->ctx)))
        s = sources->oldest;
    sources_drop(sources, s);
}

void *
sources_get(struct sources *sources, const struct ip_address *a)
{
    struct source *s = sources_find(sources, a);

    if (s != NULL) {
        unlink_source(sources, s);
    } else {
        if (sources->count == sources->most)
            make_room(sources);
        s = alloc_zeroed(1, sources->size);
        s->address = ip_source(a);
        if (tsearch(s, &sources->tree, by_address) == NULL)
            abort();
        sources->count++;
    }
    link_newest(sources, s);
    return s;
}

size_t
sources_count(const struct sources *sources)
{
    return sources->count;
}

void *
sources_next(struct sources *sources, const void *after)
{
    const struct source *s = after;

    return s == NULL ? sources->newest : s->older;
}

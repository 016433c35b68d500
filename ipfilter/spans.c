/*
 * Cutting rules into spans: a sweep over the ends of all intervals in order,
 * with the rules that hold the present address in a heap, the first on top.
 * IPv4 lies at ::ffff:0:0/96 of the same line, and an IPv6 range that goes over
 * it is cut in two around it.
 */
#include "ipfilter/spans.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "ipfilter/ip_family.h"

/* An address as two numbers, so that comparing is cheap. */
struct key {
    uint64_t high;
    uint64_t low;
};

struct interval {
    struct key first;
    struct key last;
    uint32_t rule;
};

struct intervals {
    struct interval *items;
    size_t count;
};

/* Each span goes from its key to the key of the next one. */
struct spans {
    struct key *from;
    uint32_t *rule;
    size_t count;
};

/* Indexes of intervals whose first key was passed; smallest on top. */
struct heap {
    uint32_t *items;
    size_t count;
};

static const struct key v4_first = { 0, 0x0000ffff00000000 };
static const struct key v4_last = { 0, 0x0000ffffffffffff };

static uint64_t
big_endian(const uint8_t *p)
{
    uint64_t value = 0;

    for (size_t i = 0; i < 8; i++)
        value = value << 8 | p[i];
    return value;
}

static struct key
key_of(const struct ip_address *a)
{
    return (struct key){ big_endian(a->bytes), big_endian(a->bytes + 8) };
}

static int
key_compare(const struct key *a, const struct key *b)
{
    if (a->high != b->high)
        return a->high < b->high ? -1 : 1;
    if (a->low != b->low)
        return a->low < b->low ? -1 : 1;
    return 0;
}

/* The next key; false after the very last. */
static bool
key_after(struct key *k)
{
    k->low++;
    if (k->low == 0)
        k->high++;
    return k->low != 0 || k->high != 0;
}

static struct key
key_before(struct key k)
{
    if (k.low == 0)
        k.high--;
    k.low--;
    return k;
}

static void
append(struct intervals *list, struct key first, struct key last, size_t rule)
{
    list->items[list->count++] =
        (struct interval){ first, last, (uint32_t)rule };
}

static void
append_rule(struct intervals *list, const struct ip_range *range, size_t rule)
{
    struct key first = key_of(&range->first);
    struct key last = key_of(&range->last);
    struct key after = v4_last;

    if (ip_address_is_v4(&range->first) || key_compare(&last, &v4_first) < 0 ||
        key_compare(&first, &v4_last) > 0) {
        append(list, first, last, rule);
        return;
    }
    key_after(&after);
    append(list, first, key_before(v4_first), rule);
    append(list, after, last, rule);
}

static int
by_first(const void *a, const void *b)
{
    const struct interval *x = a;
    const struct interval *y = b;
    int order = key_compare(&x->first, &y->first);

    return order != 0 ? order : (x->rule > y->rule) - (x->rule < y->rule);
}

static int
by_key(const void *a, const void *b)
{
    return key_compare(a, b);
}

/* Every key at which the verdict may change, in order, perhaps repeated. */
static struct key *
ends_of(const struct intervals *list, size_t *count)
{
    struct key *keys = alloc_zeroed(2 * list->count + 1, sizeof(*keys));
    size_t n = 0;

    for (size_t i = 0; i < list->count; i++) {
        keys[n++] = list->items[i].first;
        keys[n] = list->items[i].last;
        if (key_after(&keys[n]))
            n++;
    }
    qsort(keys, n, sizeof(*keys), by_key);
    *count = n;
    return keys;
}

static bool
earlier(const struct intervals *list, uint32_t a, uint32_t b)
{
    return list->items[a].rule < list->items[b].rule;
}

static void
heap_push(struct heap *heap, const struct intervals *list, uint32_t item)
{
    size_t i = heap->count++;

    while (i > 0 && earlier(list, item, heap->items[(i - 1) / 2])) {
        heap->items[i] = heap->items[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap->items[i] = item;
}

static void
heap_pop(struct heap *heap, const struct intervals *list)
{
    uint32_t item = heap->items[--heap->count];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= heap->count)
            break;
        if (child + 1 < heap->count &&
            earlier(list, heap->items[child + 1], heap->items[child]))
            child++;
        if (!earlier(list, heap->items[child], item))
            break;
        heap->items[i] = heap->items[child];
        i = child;
    }
    heap->items[i] = item;
}

static void
span_add(struct spans *spans, struct key from, uint32_t rule)
{
    uint32_t previous =
        spans->count > 0 ? spans->rule[spans->count - 1] : SPANS_NO_RULE;

    if (rule == previous)
        return;
    spans->from[spans->count] = from;
    spans->rule[spans->count++] = rule;
}

/* LIST is sorted by first key. */
static void
sweep(struct spans *spans, const struct intervals *list)
{
    size_t ends, next = 0;
    struct key *keys = ends_of(list, &ends);
    struct heap heap = { alloc_zeroed(list->count + 1, sizeof(uint32_t)), 0 };

    spans->from = alloc_zeroed(ends + 1, sizeof(*spans->from));
    spans->rule = alloc_zeroed(ends + 1, sizeof(*spans->rule));
    for (size_t i = 0; i < ends; i++) {
        const struct key *at = &keys[i];

        while (next < list->count &&
               key_compare(&list->items[next].first, at) <= 0)
            heap_push(&heap, list, (uint32_t)next++);
        while (heap.count > 0 &&
               key_compare(&list->items[heap.items[0]].last, at) < 0)
            heap_pop(&heap, list);
        span_add(spans, *at,
            heap.count > 0 ? list->items[heap.items[0]].rule : SPANS_NO_RULE);
    }
    free(heap.items);
    free(keys);
}

struct spans *
spans_build(const struct ipfilter_rule *rules, size_t count,
    enum ipfilter_scope scope)
{
    struct spans *spans = alloc_zeroed(1, sizeof(*spans));
    struct intervals list = {
        alloc_zeroed(2 * count + 1, sizeof(struct interval)), 0
    };

    for (size_t i = 0; i < count; i++)
        if (rules[i].scope & scope)
            append_rule(&list, &rules[i].range, i);
    qsort(list.items, list.count, sizeof(*list.items), by_first);
    sweep(spans, &list);
    free(list.items);
    return spans;
}

void
spans_free(struct spans *spans)
{
    if (spans == NULL)
        return;
    free(spans->from);
    free(spans->rule);
    free(spans);
}

uint32_t
spans_find(const struct spans *spans, const struct ip_address *a)
{
    struct key key = key_of(a);
    size_t low = 0, high = spans->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (key_compare(&spans->from[middle], &key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? spans->rule[low - 1] : SPANS_NO_RULE;
}

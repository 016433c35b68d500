/*
 * A link to the tiny engine, and the order of what was measured over it.
 */
#ifndef TESTS_BENCH_TINY_LINK_H
#define TESTS_BENCH_TINY_LINK_H

#include "daemon/outbound.h"
#include "tests/unit/tiny_engine.h"

/* Opens *LINK as the user of T, by key; CALLBACKS get CTX. */
static inline void
tiny_link_open(struct outbound *out, const struct tiny_engine *t,
    const struct link_callbacks *callbacks, void *ctx, struct link **link)
{
    struct link_params p = { .host = "127.0.0.1",
        .port = t->port,
        .mode = LINK_KEY,
        .user = TINY_USER,
        .login_key = t->user.key,
        .login_blob = t->user.blob,
        .login_blob_len = t->user.blob_len,
        .pinned_key = t->host.blob,
        .pinned_key_len = t->host.blob_len,
        .timeout_ms = 20000 };

    link_open(out, &p, callbacks, ctx, link);
}

/* Of uint64_t, for qsort(). */
static inline int
compare_measured(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

#endif

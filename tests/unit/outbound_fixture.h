/*
 * Links of this program to sessions of this program, with what their callbacks
 * heard.  For the tests of outbound.h; they include this file once each.
 */
#ifndef TESTS_UNIT_OUTBOUND_FIXTURE_H
#define TESTS_UNIT_OUTBOUND_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "daemon/outbound.h"
#include "tests/unit/tiny_engine.h"

#define PIECE (240 * 1024)
#define LONG_MS 30000
#define HANG_S 120

/* One link and what its callbacks heard. */
struct client {
    struct link *link;
    bool proceed;  /* when the host key is shown */
    unsigned keys; /* shown */
    bool key_right;
    bool ready;
    bool closed;
    struct err error;
    const struct tiny_engine *engine;

    unsigned replies;
    struct link_reply last; /* without its data */
    uint8_t handle[SFTP_HANDLE_MAX];
    size_t handle_len;
    uint64_t sent;
    uint64_t moved;
    uint64_t sum;
};

struct fixture {
    uv_loop_t loop;
    struct tiny_engine engine;
    struct outbound *out;
};

static inline void
on_host_key(void *ctx, const void *blob, size_t len)
{
    struct client *c = ctx;

    c->keys++;
    c->key_right = len == c->engine->host.blob_len &&
                   memcmp(blob, c->engine->host.blob, len) == 0;
    if (c->proceed)
        link_proceed(c->link);
}

static inline void
on_ready(void *ctx)
{
    ((struct client *)ctx)->ready = true;
}

static inline void
on_closed(void *ctx, const struct err *e)
{
    struct client *c = ctx;

    c->closed = true;
    c->error = *e;
    c->link = NULL;
}

static const struct link_callbacks callbacks = { on_host_key, on_ready,
    on_closed };

static inline int
set_up(void **state)
{
    struct fixture *f = alloc_zeroed(1, sizeof(*f));
    struct err e = ERR_INIT;

    /* What children say on standard error, a sanitizer's report too. */
    log_init("test", LOG_LEVEL_INFO);
    alarm(HANG_S); /* a test that hangs fails */
    uv_loop_init(&f->loop);
    if (child_setup(&f->loop, &e) != 0 ||
        outbound_new(&f->out, &f->loop, &e) != 0)
        return -1;
    tiny_engine_start(&f->engine, &f->loop);
    *state = f;
    return 0;
}

static inline void
await_no_sessions(struct fixture *f)
{
    while (f->engine.sessions > 0)
        uv_run(&f->loop, UV_RUN_ONCE);
}

static inline int
tear_down(void **state)
{
    struct fixture *f = *state;

    outbound_free(f->out);
    await_no_sessions(f);
    tiny_engine_stop(&f->engine);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&f->loop) != 0)
        return -1;
    free(f);
    return 0;
}

static inline struct link_params
params(const struct fixture *f, enum link_mode mode)
{
    return (struct link_params){ .host = "127.0.0.1",
        .port = f->engine.port,
        .mode = mode,
        .user = TINY_USER,
        .password = mode == LINK_PASSWORD ? TINY_PASSWORD : NULL,
        .login_key = f->engine.user.key,
        .login_blob = f->engine.user.blob,
        .login_blob_len = f->engine.user.blob_len,
        .pinned_key = mode == LINK_KEY ? f->engine.host.blob : NULL,
        .pinned_key_len = mode == LINK_KEY ? f->engine.host.blob_len : 0,
        .timeout_ms = LONG_MS };
}

static inline void
open_link(struct fixture *f, struct client *c, const struct link_params *p)
{
    c->engine = &f->engine;
    link_open(f->out, p, &callbacks, c, &c->link);
}

static inline void
await_ready(struct fixture *f, struct client *c)
{
    while (!c->ready && !c->closed)
        uv_run(&f->loop, UV_RUN_ONCE);
    if (c->closed)
        fail_msg("%s", c->error.message);
}

static inline void
await_closed(struct fixture *f, struct client *c)
{
    while (!c->closed)
        uv_run(&f->loop, UV_RUN_ONCE);
}

static inline void
open_ready(struct fixture *f, struct client *c)
{
    struct link_params p = params(f, LINK_KEY);

    open_link(f, c, &p);
    await_ready(f, c);
}

static inline void
on_reply(void *ctx, const struct link_reply *reply)
{
    struct client *c = ctx;

    c->replies++;
    c->last = *reply;
    if (reply->type == SFTP_HANDLE) {
        memcpy(c->handle, reply->data, reply->data_len);
        c->handle_len = reply->data_len;
    }
}

static inline void
open_file(struct fixture *f, struct client *c, const char *path)
{
    unsigned before = c->replies;

    link_open_file(c->link, path, SFTP_OPEN_READ | SFTP_OPEN_WRITE, on_reply,
        c);
    while (c->replies == before && !c->closed)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(c->last.type, SFTP_HANDLE);
}

#endif

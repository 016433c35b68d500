/*
 * How long it takes until a new session has logged its client in, what such a
 * session costs of the processor, and how long a small WRITE takes.  Real
 * processes on the loopback: a session a link, one pusher, one connector.
 *
 * Two programs include it, once each: sandbox_on.c, whose processes are as they
 * are shipped, and sandbox_off.c, which has a sandbox that does nothing.
 */
#ifndef TESTS_BENCH_SESSION_STARTS_H
#define TESTS_BENCH_SESSION_STARTS_H

#include <sys/resource.h>

#include "base/clock.h"
#include "tests/bench/tiny_link.h"

#define STARTS 20
#define WRITES 1000
#define WRITE_SIZE 600

struct starts {
    struct link *link;
    bool ready;
    uint8_t handle[256];
    size_t handle_len;
    unsigned done;
    uint64_t us[WRITES];
};

static void
starts_ready(void *ctx)
{
    ((struct starts *)ctx)->ready = true;
}

static void
starts_closed(void *ctx, const struct err *e)
{
    (void)ctx;
    fprintf(stderr, "closed: %s\n", e->message);
    exit(1);
}

static const struct link_callbacks starts_callbacks = { NULL, starts_ready,
    starts_closed };

static void
starts_open(struct starts *s, struct outbound *out, struct tiny_engine *t)
{
    s->ready = false;
    tiny_link_open(out, t, &starts_callbacks, s, &s->link);
    while (!s->ready)
        uv_run(t->loop, UV_RUN_ONCE);
}

/* The quick ones: what else the machine does is not ours. */
static unsigned long long
starts_tenth(uint64_t *values, unsigned count)
{
    qsort(values, count, sizeof(values[0]), compare_measured);
    return values[count / 10];
}

/* Of all processes that have ended. */
static int64_t
starts_cpu_us(void)
{
    struct rusage u;

    (void)getrusage(RUSAGE_CHILDREN, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
           u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static void
starts_opened(void *ctx, const struct link_reply *reply)
{
    struct starts *s = ctx;

    assert(reply->type == SFTP_HANDLE);
    memcpy(s->handle, reply->data, reply->data_len);
    s->handle_len = reply->data_len;
}

static void
starts_written(void *ctx, const struct link_reply *reply)
{
    static const uint8_t data[WRITE_SIZE];
    struct starts *s = ctx;

    if (reply->type != SFTP_HANDLE)
        s->us[s->done++] = reply->round_trip_us;
    if (s->done < WRITES)
        link_write(s->link, s->handle, s->handle_len, 0, data, sizeof(data),
            starts_written, s);
}

static unsigned long long
starts_measure_writes(struct starts *s, struct tiny_engine *t)
{
    static const struct link_reply none = { .type = SFTP_HANDLE };

    link_open_file(s->link, "/sink", SFTP_OPEN_READ | SFTP_OPEN_WRITE,
        starts_opened, s);
    while (s->handle_len == 0)
        uv_run(t->loop, UV_RUN_ONCE);
    starts_written(s, &none);
    while (s->done < WRITES)
        uv_run(t->loop, UV_RUN_ONCE);
    return starts_tenth(s->us, WRITES);
}

/* Closes the link and waits for its session's end. */
static void
starts_end(struct starts *s, struct tiny_engine *t)
{
    link_close(s->link);
    while (t->sessions > 0)
        uv_run(t->loop, UV_RUN_ONCE);
}

/* Prints the three, in microseconds. */
static int
starts_main(int argc, char **argv)
{
    static struct starts s;
    static uint64_t us[STARTS];
    uv_loop_t *loop = uv_default_loop();
    struct tiny_engine t;
    struct outbound *out;
    struct err e = ERR_INIT;
    int64_t began, cpu_us;

    if (child_is_requested(argc, argv))
        return child_run(argc, argv);
    if (child_setup(loop, &e) != 0 || outbound_new(&out, loop, &e) != 0)
        return 1;
    tiny_engine_start(&t, loop);
    /* The first one starts pusher and connector too. */
    starts_open(&s, out, &t);
    starts_end(&s, &t);
    cpu_us = starts_cpu_us();
    for (unsigned i = 0; i < STARTS; i++) {
        began = clock_mono_us();
        starts_open(&s, out, &t);
        us[i] = (uint64_t)(clock_mono_us() - began);
        starts_end(&s, &t);
    }
    cpu_us = (starts_cpu_us() - cpu_us) / STARTS;
    starts_open(&s, out, &t);
    printf("%llu %lld ", starts_tenth(us, STARTS), (long long)cpu_us);
    printf("%llu\n", starts_measure_writes(&s, &t));
    outbound_free(out);
    while (t.sessions > 0)
        uv_run(loop, UV_RUN_ONCE);
    tiny_engine_stop(&t);
    uv_run(loop, UV_RUN_NOWAIT);
    return 0;
}

#endif

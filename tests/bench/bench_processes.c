/*
 * What a session and a link cost: the round trip of a small WRITE, bulk in both
 * directions, memory of idle ones.  Real processes on the loopback.
 */
#include <inttypes.h>

#include "base/clock.h"
#include "tests/bench/tiny_link.h"

#define SMALL 600
#define SMALL_COUNT 3000
#define PIECE (240 * 1024)
#define BULK (256u * 1024 * 1024)

struct client {
    struct tiny_engine *engine;
    struct link *link;
    bool ready;
    bool failed;
    uint8_t handle[256];
    size_t handle_len;
    uint64_t sent;
    uint64_t acknowledged;
    unsigned done;
    uint64_t us[SMALL_COUNT];
};

static uint8_t data[PIECE];

static void
on_ready(void *ctx)
{
    ((struct client *)ctx)->ready = true;
}

static void
on_closed(void *ctx, const struct err *e)
{
    fprintf(stderr, "closed: %s\n%s\n", e->message, e->hint);
    ((struct client *)ctx)->failed = true;
    ((struct client *)ctx)->link = NULL;
}

static const struct link_callbacks callbacks = { NULL, on_ready, on_closed };

static void
on_open(void *ctx, const struct link_reply *reply)
{
    struct client *c = ctx;

    if (reply->type != SFTP_HANDLE)
        abort();
    memcpy(c->handle, reply->data, reply->data_len);
    c->handle_len = reply->data_len;
}

static void
on_small(void *ctx, const struct link_reply *reply)
{
    struct client *c = ctx;

    c->us[c->done++] = reply->round_trip_us;
    if (c->done < SMALL_COUNT)
        link_write(c->link, c->handle, c->handle_len, 0, data, SMALL, on_small,
            c);
}

static void pump_writes(struct client *c);

static void
on_bulk(void *ctx, const struct link_reply *reply)
{
    struct client *c = ctx;

    (void)reply;
    c->acknowledged += PIECE;
    pump_writes(c);
}

static void
pump_writes(struct client *c)
{
    while (c->sent < BULK && link_in_flight(c->link) < LINK_WINDOW) {
        link_write(c->link, c->handle, c->handle_len, c->sent, data, PIECE,
            on_bulk, c);
        c->sent += PIECE;
    }
}

static void
on_read(void *ctx, const struct link_reply *reply)
{
    struct client *c = ctx;

    if (reply->type != SFTP_DATA)
        return;
    c->acknowledged += reply->data_len;
    if (c->sent < SOURCE_SIZE) {
        link_read(c->link, c->handle, c->handle_len, c->sent, 128 * 1024,
            on_read, c);
        c->sent += 128 * 1024;
    }
}

static void
run_until(uv_loop_t *loop, const bool *done, const struct client *c)
{
    while (!*done && !c->failed)
        uv_run(loop, UV_RUN_ONCE);
}

static long
pss_kib(int pid)
{
    char path[64], line[256];
    long kib = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
    f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "Pss: %ld", &kib) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return kib;
}

/* All processes of ours whose command line says PART. */
static long
pss_of(const char *part, unsigned *count)
{
    char command[256], text[256];
    long sum = 0;
    FILE *f;
    int pid;

    *count = 0;
    snprintf(command, sizeof(command), "pgrep -P %d -f '^lockstepd: %s'",
        (int)getpid(), part);
    f = popen(command, "r");
    while (f != NULL && fgets(text, sizeof(text), f) != NULL)
        if (sscanf(text, "%d", &pid) == 1) {
            sum += pss_kib(pid);
            (*count)++;
        }
    if (f != NULL)
        pclose(f);
    return sum;
}

static void
open_link(struct client *c, struct outbound *out, struct tiny_engine *t)
{
    c->engine = t;
    tiny_link_open(out, t, &callbacks, c, &c->link);
}

static void
open_file(uv_loop_t *loop, struct client *c, const char *path)
{
    c->handle_len = 0;
    link_open_file(c->link, path, SFTP_OPEN_READ | SFTP_OPEN_WRITE, on_open, c);
    while (c->handle_len == 0 && !c->failed)
        uv_run(loop, UV_RUN_ONCE);
}

int
main(int argc, char **argv)
{
    static struct client first, many[200];
    uv_loop_t *loop = uv_default_loop();
    struct tiny_engine t;
    struct outbound *out;
    struct err e = ERR_INIT;
    unsigned idle =
        argc > 1 && argv[1][0] != '-' ? (unsigned)atoi(argv[1]) : 100;
    unsigned count = 0;
    int64_t began;
    long before, after;

    if (child_is_requested(argc, argv))
        return child_run(argc, argv);
    if (child_setup(loop, &e) != 0 || outbound_new(&out, loop, &e) != 0)
        return 1;
    tiny_engine_start(&t, loop);
    began = clock_mono_us();
    open_link(&first, out, &t);
    run_until(loop, &first.ready, &first);
    printf("first link, with starting all processes: %" PRId64 " us\n",
        clock_mono_us() - began);
    open_file(loop, &first, "/sink");
    link_write(first.link, first.handle, first.handle_len, 0, data, SMALL,
        on_small, &first);
    while (first.done < SMALL_COUNT && !first.failed)
        uv_run(loop, UV_RUN_ONCE);
    qsort(first.us, SMALL_COUNT, sizeof(first.us[0]), compare_measured);
    printf("round trip of a %d byte WRITE: median %" PRIu64 " us, p99 %" PRIu64
           " us\n",
        SMALL, first.us[SMALL_COUNT / 2], first.us[SMALL_COUNT * 99 / 100]);
    before = pss_of("pusher", &count);
    began = clock_mono_us();
    for (unsigned i = 0; i < idle; i++)
        open_link(&many[i], out, &t);
    for (unsigned i = 0; i < idle; i++)
        run_until(loop, &many[i].ready, &many[i]);
    printf("%u links ready after %" PRId64 " us\n", idle,
        clock_mono_us() - began);
    after = pss_of("pusher", &count);
    printf("pusher: %ld KiB with one link, %ld KiB a link more\n", before,
        idle > 0 ? (after - before) / (long)idle : 0);
    after = pss_of("session", &count);
    printf("session: %ld KiB each of %u\n", count > 0 ? after / (long)count : 0,
        count);
    printf("connector: %ld KiB\n", pss_of("connector", &count));
    began = clock_mono_us();
    pump_writes(&first);
    while (first.acknowledged < BULK && !first.failed)
        uv_run(loop, UV_RUN_ONCE);
    printf("bulk write: %.0f MB/s\n",
        (double)first.acknowledged / (double)(clock_mono_us() - began));
    open_file(loop, &first, "/source");
    first.sent = first.acknowledged = 0;
    began = clock_mono_us();
    for (int i = 0; i < 32; i++) {
        link_read(first.link, first.handle, first.handle_len, first.sent,
            128 * 1024, on_read, &first);
        first.sent += 128 * 1024;
    }
    while (first.acknowledged < SOURCE_SIZE && !first.failed)
        uv_run(loop, UV_RUN_ONCE);
    printf("bulk read: %.0f MB/s\n",
        (double)first.acknowledged / (double)(clock_mono_us() - began));
    printf("after bulk: pusher %ld KiB, ", pss_of("pusher", &count));
    printf("all sessions %ld KiB\n", pss_of("session", &count));
    outbound_free(out);
    while (t.sessions > 0)
        uv_run(loop, UV_RUN_ONCE);
    tiny_engine_stop(&t);
    uv_run(loop, UV_RUN_NOWAIT);
    printf("crashes: %u\n", t.crashes);
    return first.failed;
}

/*
 * One look at the SFTP service serves everybody who asks within a second; who
 * asks meanwhile waits for its end.  Of the service nothing is read but the
 * four bytes that every SSH server begins with.
 */
#include "daemon/health.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "admin-proto/ssh_client.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/fleet.h"
#include "daemon/gate.h"

#define BACKLOG 64
#define WAITING_MAX 64
#define FRESH_MS 1000      /* how long one look counts */
#define LOOK_LIMIT_MS 2000 /* a service that says nothing until then is down */
#define GREETING "SSH-"

enum verdict { HEALTH_UP, HEALTH_DRAIN, HEALTH_DOWN };

/* HAProxy takes a server that was drained back at "ready", not at "up". */
static const struct {
    const char *line;
    const char *event;
} verdicts[] = {
    [HEALTH_UP] = { "up ready\n", "takes logins" },
    [HEALTH_DRAIN] = { "drain\n", "takes no new logins" },
    [HEALTH_DOWN] = { "down\n", "the SFTP service does not answer" },
};

struct look {
    struct health *health; /* NULL: nobody waits for it any more */
    uv_tcp_t socket;
    uv_timer_t limit;
    uv_connect_t request;
    unsigned handles;
    char text[sizeof(GREETING) - 1];
    size_t len;
};

struct health {
    struct engine *engine;
    uv_tcp_t *listener;
    uv_tcp_t *waiting[WAITING_MAX];
    size_t waiting_count;
    struct look *look; /* under way, or NULL */
    bool service_up;
    int64_t looked_ms; /* monotonic; 0: never */
    int64_t ill_ms;    /* monotonic: since when it is not well; 0: it is */
    enum verdict told;
};

static void
free_handle(uv_handle_t *handle)
{
    free(handle);
}

static void
drop(uv_tcp_t *client)
{
    uv_close((uv_handle_t *)client, free_handle);
}

static bool
is_stale(struct health *h)
{
    const struct engine *engine = h->engine;
    int64_t limit = engine->settings.health_stale_ms;
    char why[512];

    if (fleet_node_healthy(engine->fleet, why, sizeof(why))) {
        h->ill_ms = 0;
        return false;
    }
    if (h->ill_ms == 0)
        h->ill_ms = clock_mono_ms();
    return fleet_is_silent(engine->fleet) ||
           clock_mono_ms() - h->ill_ms >= limit;
}

static enum verdict
judge(struct health *h)
{
    bool stale = is_stale(h);

    if (!h->service_up)
        return HEALTH_DOWN;
    return stale || h->engine->node.drained ? HEALTH_DRAIN : HEALTH_UP;
}

static void
answer_all(struct health *h)
{
    enum verdict verdict = judge(h);
    const char *line = verdicts[verdict].line;

    if (verdict != h->told)
        events_add(h->engine->events, verdict == HEALTH_UP ? "info" : "warning",
            "health", NULL, NULL, "%s", verdicts[verdict].event);
    h->told = verdict;
    for (size_t i = 0; i < h->waiting_count; i++) {
        uv_buf_t text =
            uv_buf_init((char *)(uintptr_t)line, (unsigned)strlen(line));

        /* What a new connection does not take at once nobody reads. */
        (void)uv_try_write((uv_stream_t *)h->waiting[i], &text, 1);
        drop(h->waiting[i]);
    }
    h->waiting_count = 0;
}

/* Looking at the service. */

static void
on_look_closed(uv_handle_t *handle)
{
    struct look *look = handle->data;

    if (--look->handles == 0)
        free(look);
}

static void
end_look(struct look *look, bool up)
{
    struct health *h = look->health;

    if (uv_is_closing((uv_handle_t *)&look->socket))
        return;
    uv_close((uv_handle_t *)&look->socket, on_look_closed);
    uv_close((uv_handle_t *)&look->limit, on_look_closed);
    if (h == NULL)
        return;
    h->look = NULL;
    h->service_up = up;
    h->looked_ms = clock_mono_ms();
    answer_all(h);
}

static void
on_look_limit(uv_timer_t *limit)
{
    end_look(limit->data, false);
}

static void
give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct look *look = handle->data;

    (void)suggested;
    *out = uv_buf_init(look->text + look->len,
        (unsigned)(sizeof(look->text) - look->len));
}

static void
on_greeting(uv_stream_t *stream, ssize_t n, const uv_buf_t *text)
{
    struct look *look = stream->data;

    (void)text;
    if (n < 0) {
        end_look(look, false);
        return;
    }
    look->len += (size_t)n;
    if (look->len == sizeof(look->text))
        end_look(look, memcmp(look->text, GREETING, look->len) == 0);
}

static void
on_connected(uv_connect_t *request, int status)
{
    struct look *look = request->handle->data;

    if (status == UV_ECANCELED)
        return;
    if (status != 0 ||
        uv_read_start(request->handle, give_room, on_greeting) != 0)
        end_look(look, false);
}

/* "ADDRESS:PORT" in numbers. */
static int
parse_address(const char *text, struct sockaddr_storage *address, struct err *e)
{
    char *host = NULL;
    uint16_t port = 0;
    int r = -1;

    if (admin_address_parse(text, &host, &port, e) != 0)
        return -1;
    if (uv_ip4_addr(host, port, (struct sockaddr_in *)address) == 0 ||
        uv_ip6_addr(host, port, (struct sockaddr_in6 *)address) == 0)
        r = 0;
    else
        err_set(e, ERR_INVALID, "\"%s\" is not an address and a port", text);
    free(host);
    return r;
}

static void
start_look(struct health *h)
{
    struct sockaddr_storage address = { 0 };
    struct err e = ERR_INIT;
    struct look *look = alloc_zeroed(1, sizeof(*look));
    int r = UV_EINVAL;

    h->look = look;
    look->health = h;
    look->handles = 2;
    uv_tcp_init(h->engine->loop, &look->socket);
    uv_timer_init(h->engine->loop, &look->limit);
    look->socket.data = look;
    look->limit.data = look;
    uv_timer_start(&look->limit, on_look_limit, LOOK_LIMIT_MS, 0);
    if (parse_address(h->engine->settings.health_service, &address, &e) == 0)
        r = uv_tcp_connect(&look->request, &look->socket,
            (const struct sockaddr *)&address, on_connected);
    if (r != 0)
        end_look(look, false);
}

/* Who asks. */

static bool
is_allowed(const struct health *h, const uv_tcp_t *client)
{
    struct sockaddr_storage peer = { 0 };
    int len = sizeof(peer);

    return uv_tcp_getpeername(client, (struct sockaddr *)&peer, &len) == 0 &&
           gate_allows(h->engine->gate, (const struct sockaddr *)&peer);
}

static void
on_connection(uv_stream_t *listener, int status)
{
    struct health *h = listener->data;
    uv_tcp_t *client;

    if (status != 0)
        return;
    client = alloc_zeroed(1, sizeof(*client));
    uv_tcp_init(h->engine->loop, client);
    if (uv_accept(listener, (uv_stream_t *)client) != 0 ||
        !is_allowed(h, client) || h->waiting_count == WAITING_MAX) {
        drop(client);
        return;
    }
    h->waiting[h->waiting_count++] = client;
    if (h->look != NULL)
        return;
    if (h->looked_ms != 0 && clock_mono_ms() - h->looked_ms < FRESH_MS)
        answer_all(h);
    else
        start_look(h);
}

int
health_open(struct health **health, struct engine *engine, struct err *e)
{
    const char *text = engine->settings.health_listen;
    struct sockaddr_storage address = { 0 };
    struct health *h;
    int r;

    *health = NULL;
    if (text[0] == '\0')
        return 0;
    if (parse_address(text, &address, e) != 0)
        return err_wrap(e, "[health] listen");
    h = alloc_zeroed(1, sizeof(*h));
    h->engine = engine;
    h->listener = alloc_zeroed(1, sizeof(*h->listener));
    h->listener->data = h;
    uv_tcp_init(engine->loop, h->listener);
    r = uv_tcp_bind(h->listener, (const struct sockaddr *)&address, 0);
    if (r == 0)
        r = uv_listen((uv_stream_t *)h->listener, BACKLOG, on_connection);
    if (r != 0) {
        health_close(h);
        return err_set_errno(e, ERR_IO, -r, "could not listen on \"%s\"", text);
    }
    *health = h;
    return 0;
}

void
health_close(struct health *h)
{
    if (h == NULL)
        return;
    drop(h->listener);
    for (size_t i = 0; i < h->waiting_count; i++)
        drop(h->waiting[i]);
    if (h->look != NULL) {
        h->look->health = NULL;
        end_look(h->look, false);
    }
    free(h);
}

/*
 * One registered server: its link, its heartbeat, its state.
 */
#include <stdlib.h>
#include <string.h>

#include "admin-proto/push_frame.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "daemon/events.h"
#include "daemon/fleet_events.h"
#include "daemon/fleet_internal.h"

#define SAVE_EVERY_MS 60000

void
server_hold(struct server *server)
{
    server->references++;
}

void
server_release(struct server *server)
{
    if (--server->references > 0)
        return;
    for (size_t i = 0; i < server->lane_count; i++) {
        lane_release(server->lanes[i]);
        free(server->lanes[i]);
    }
    free(server->lanes);
    server_record_release(&server->record);
    free(server);
}

bool
server_paused(const struct server *server)
{
    return server->record.paused || !server->fleet->engine->node.sync_enabled;
}

bool
server_equal(const struct server *server)
{
    for (size_t i = 0; i < server->lane_count; i++) {
        const struct dataset *ds = server->lanes[i]->ds;

        if (lane_is_wanted(server->lanes[i]) &&
            (!lane_is_alive(server->lanes[i]) ||
                !lane_equal(server->lanes[i]) || !server->lanes[i]->proved ||
                ds->view.unpublished || ds->view.held[0] != '\0'))
            return false;
    }
    return true;
}

static bool
server_held(const struct server *server)
{
    for (size_t i = 0; i < server->lane_count; i++) {
        const struct lane *lane = server->lanes[i];

        if (lane_is_wanted(lane) &&
            (lane->held || lane->ds->view.held[0] != '\0'))
            return true;
    }
    return false;
}

static bool
server_refuses(const struct server *server)
{
    for (size_t i = 0; i < server->lane_count; i++) {
        if (lane_is_wanted(server->lanes[i]) && server->lanes[i]->refused)
            return true;
    }
    return server->refused;
}

enum peer_state
server_state(const struct server *server)
{
    const struct peer_facts facts = {
        .key_changed = server->key_changed,
        .refused = server_refuses(server),
        .held = server_held(server),
        .drifted = server->drifted,
        .unreachable = server->unreachable,
        .overwriting = server_overwriting(server),
        .paused = server_paused(server),
        .equal = server_equal(server),
    };

    return peer_state_of(&facts);
}

uint64_t
server_behind(const struct server *server, bool *known)
{
    uint64_t behind = 0;

    *known = true;
    for (size_t i = 0; i < server->lane_count; i++) {
        const struct lane *lane = server->lanes[i];
        uint64_t now = lane->ds->view.state.revision;

        if (!lane_is_alive(lane))
            continue;
        if (lane->confirmed_us == 0 && !lane->known)
            *known = false;
        else if (now > lane->revision)
            behind += now - lane->revision;
    }
    return behind;
}

uint64_t
server_bytes_sent(const struct server *server)
{
    uint64_t bytes = server->record.bytes_sent + server->bytes_before;

    if (server->link != NULL)
        bytes += link_bytes_sent(server->link);
    return bytes;
}

void
server_save(struct server *server, bool now)
{
    struct err e = ERR_INIT;
    struct server_record record = server->record;

    if (server->removed ||
        (!now && clock_mono_ms() - server->saved_mono_ms < SAVE_EVERY_MS))
        return;
    record.bytes_sent = server_bytes_sent(server);
    server->saved_mono_ms = clock_mono_ms();
    if (store_server_save(server->fleet->engine->node.store, &record, &e) != 0)
        log_error("could not save server \"%s\": %s", record.name, e.message);
}

/* Tells of an error once, when it is new. */
static void
server_report(struct server *server, const struct err *e)
{
    if (server->error.code == e->code &&
        strcmp(server->error.message, e->message) == 0)
        return;
    events_add(server->fleet->engine->events, "warning", "server-error",
        server->record.name, NULL, "%s", e->message);
}

static void
server_note_error(struct server *server, const struct err *e, int64_t tried_us)
{
    server->error = *e;
    server->error_us = tried_us;
    fleet_waiters_check(server->fleet);
}

void
server_failed(struct server *server, const struct err *e)
{
    server_report(server, e);
    server_note_error(server, e, clock_mono_us());
}

void
server_lane_failed(struct lane *lane, const struct err *e)
{
    struct server *server = lane->server;

    if (!lane_is_wanted(lane))
        return;
    if (lane->error.code != e->code ||
        strcmp(lane->error.message, e->message) != 0)
        events_add(server->fleet->engine->events, "warning", "server-error",
            server->record.name, lane->ds->name, "%s", e->message);
    lane->error = *e;
    server_note_error(server, e, clock_mono_us());
}

static void
server_link_down(struct server *server)
{
    if (server->link != NULL)
        server->bytes_before += link_bytes_sent(server->link);
    server->link = NULL;
    server->ready = false;
    /* A link that is down never answers. */
    free(server->heartbeat);
    server->heartbeat = NULL;
    server_forget_collecting(server);
    server_keys_link_down(server);
    server_effect_link_down(server);
    for (size_t i = 0; i < server->lane_count; i++)
        lane_reset(server->lanes[i]);
}

void
server_disconnect(struct server *server)
{
    struct link *link = server->link;

    server_link_down(server);
    link_close(link);
    if (server->removal != NULL) {
        struct err e = ERR_INIT;

        err_set(&e, ERR_CANCELLED, "disconnected");
        removal_link_lost(server->removal, &e);
    }
}

static void
server_ready(void *ctx)
{
    struct server *server = ctx;
    const char *address = link_peer_address(server->link);

    server->ready = true;
    server->key_changed = false;
    server->refused = false;
    server->unreachable = false;
    backoff_reset(&server->backoff);
    server_keys_connected(server);
    if (address != NULL)
        snprintf(server->record.last_address,
            sizeof(server->record.last_address), "%s", address);
    if (server->removal != NULL) {
        removal_link_ready(server->removal);
        return;
    }
    if (!server->wanted) {
        server->wanted = true;
        server->wanted_us = clock_mono_us();
    }
    server_pump(server);
}

static void
server_closed(void *ctx, const struct err *e)
{
    struct server *server = ctx;
    struct err error = *e;
    bool was_ready = server->ready;

    server_link_down(server);
    if (server->removal != NULL) {
        removal_link_lost(server->removal, e);
        return;
    }
    if (e->code == ERR_KEY_CHANGED && server_keys_try_other(server)) {
        server->retry_ms = clock_mono_ms();
        fleet_schedule(server->fleet);
        return;
    }
    server->key_changed = e->code == ERR_KEY_CHANGED;
    server->refused = e->code == ERR_LOGIN || e->code == ERR_VERSION;
    server->unreachable = !server->key_changed && !server->refused;
    if (server->key_changed)
        err_hint(&error,
            "If the key was changed on purpose, run \"lockstep "
            "server trust %s --fingerprint SHA256:...\"; if the server was "
            "installed anew, add --again, which registers it again.",
            server->record.name);
    server_keys_explain(server, &error);
    server->retry_ms = clock_mono_ms();
    if (!was_ready && !server->hurried) {
        uint32_t random;

        random_bytes(&random, sizeof(random));
        server->retry_ms +=
            (e->code == ERR_LOGIN ? backoff_refused_ms
                                  : backoff_next_ms)(&server->backoff,
                FLEET_BACKOFF_LIMIT_MS, random);
    }
    server_report(server, &error);
    /* What began before somebody asked is no answer to him, where it is tried
     * again. */
    server_note_error(server, &error,
        server_paused(server) ? clock_mono_us() : server->connect_us);
    fleet_schedule(server->fleet);
}

void
server_connect(struct server *server)
{
    static const struct link_callbacks callbacks = {
        .ready = server_ready,
        .closed = server_closed,
    };
    struct engine *engine = server->fleet->engine;
    struct link_params params = {
        .host = server->record.host,
        .port = server->record.port,
        .last_address = server->record.last_address[0] != '\0'
                            ? server->record.last_address
                            : NULL,
        .source_address = engine->settings.source_address,
        .mode = LINK_KEY,
        .user = "lockstep",
        .login_key = engine->keys.login_private,
        .login_blob = engine->keys.login_blob,
        .login_blob_len = engine->keys.login_blob_len,
        .timeout_ms = FLEET_CONNECT_TIMEOUT_MS,
    };
    uint8_t *pinned;

    if (server->link != NULL || server->removed)
        return;
    server->last_attempt_ms = clock_utc_ms();
    server->connect_us = clock_mono_us();
    server->hurried = false;
    server->retry_ms = INT64_MAX;
    server_keys_pinned(server, &pinned, &params.pinned_key_len);
    params.pinned_key = pinned;
    link_open(server->fleet->out, &params, &callbacks, server, &server->link);
    free(pinned);
}

/* Heartbeats. */

struct heartbeat {
    struct server *server;
    int64_t sent_us;
    unsigned count;
    struct {
        struct lane *lane;
        uint64_t revision;
        struct digest digest;
    } named[PUSH_HEARTBEAT_MAX];
};

static void
heartbeat_refused(struct heartbeat *h, const struct err *e)
{
    struct server *server = h->server;

    /* The text names the dataset, but any of them may have moved: ask all. */
    if (e->code == ERR_DRIFTED || e->code == ERR_NEEDS_OVERWRITE ||
        e->code == ERR_DIVERGED)
        server->drifted = true;
    for (unsigned i = 0; i < h->count; i++) {
        if (h->named[i].lane->state == LANE_IDLE)
            lane_failed(h->named[i].lane, e);
    }
}

static void
heartbeat_answered(void *ctx, const struct link_reply *reply)
{
    struct heartbeat *h = ctx;
    struct server *server = h->server;

    server->heartbeat = NULL;
    server->round_trip_us = reply->round_trip_us;
    server_keys_noticed(server, reply);
    if (reply->status != SFTP_OK) {
        heartbeat_refused(h, &reply->error);
    } else {
        for (unsigned i = 0; i < h->count; i++)
            lane_confirmed(h->named[i].lane, h->named[i].revision,
                &h->named[i].digest, h->sent_us);
        server_hear_events(server, reply);
        server_effect_heard(server, reply);
        server_pump(server);
    }
    free(h);
}

/* One frame that names every dataset which is equal and was not confirmed in
 * this round. */
static void
server_beat(struct server *server)
{
    const struct node *node = &server->fleet->engine->node;
    struct heartbeat *h;
    struct push_heartbeat *frame;
    struct buf payload = BUF_INIT;
    struct buf out = BUF_INIT;
    const struct lane *carrier = NULL;

    if (server->heartbeat != NULL)
        return;
    h = alloc_zeroed(1, sizeof(*h));
    frame = alloc_zeroed(1, sizeof(*frame));
    h->server = server;
    for (size_t i = 0; i < server->lane_count; i++) {
        struct lane *lane = server->lanes[i];
        struct push_heartbeat_entry *entry = &frame->entries[h->count];

        if (lane->state != LANE_IDLE || !lane_is_alive(lane) ||
            !lane_equal(lane) || lane->stuck ||
            lane->confirmed_us >= server->wanted_us ||
            h->count == PUSH_HEARTBEAT_MAX)
            continue;
        carrier = lane;
        h->named[h->count].lane = lane;
        h->named[h->count].revision = lane->revision;
        h->named[h->count].digest = lane->digest;
        snprintf(entry->dataset, sizeof(entry->dataset), "%s", lane->ds->name);
        entry->revision = lane->revision;
        memcpy(entry->digest, lane->digest.sum, HASH_SIZE);
        h->count++;
    }
    if (carrier == NULL) {
        free(h);
    } else {
        const struct push_frame beat = { .kind = PUSH_HEARTBEAT,
            .bundle_id = server->fleet->next_bundle_id++,
            .last = true };
        struct push_frame whole = beat;

        memcpy(frame->cluster, node->cluster, ID_SIZE);
        frame->epoch = node->epoch;
        memcpy(frame->writer, node->writer, ID_SIZE);
        frame->count = h->count;
        push_heartbeat_encode(frame, &payload);
        whole.payload = payload.data;
        whole.payload_len = payload.len;
        push_frame_encode(&whole, &out);
        h->sent_us = clock_mono_us();
        server->heartbeat = h;
        link_write(server->link, carrier->handle, carrier->handle_len, 0,
            out.data, out.len, heartbeat_answered, h);
    }
    free(frame);
    buf_release(&payload);
    buf_release(&out);
}

/* Rounds. */

/* Each dataset confirmed as it was published in this round, or later. */
static bool
server_confirmed(const struct server *server)
{
    for (size_t i = 0; i < server->lane_count; i++) {
        const struct lane *lane = server->lanes[i];

        if (lane_is_alive(lane) &&
            (lane->confirmed_us < server->wanted_us || lane->drifted ||
                lane->needs_overwrite || lane->force_overwrite))
            return false;
    }
    return true;
}

/* The latest moment at which all was known to be equal: the oldest counts.
 * When others went on writing, that is when the rows were read to be
 * published. */
static void
server_synchronized(struct server *server)
{
    bool equal = server_equal(server);
    int64_t oldest_ms = INT64_MAX;
    int64_t verified_ms = INT64_MAX;

    for (size_t i = 0; i < server->lane_count; i++) {
        const struct lane *lane = server->lanes[i];
        const struct publication *p =
            fleet_publication(server->fleet, lane->ds);
        int64_t known_ms = equal ? lane->confirmed_ms : p->begun_ms;

        if (!lane_is_wanted(lane))
            continue;
        if (known_ms < oldest_ms)
            oldest_ms = known_ms;
        if (lane->verified_ms < verified_ms)
            verified_ms = lane->verified_ms;
    }
    if (oldest_ms > server->record.last_synchronized_ms)
        server->record.last_synchronized_ms = oldest_ms;
    if (verified_ms != INT64_MAX)
        server->record.last_verified_ms = verified_ms;
    server->drifted = false;
    server->refused = false;
    err_clear(&server->error);
    server_save(server, false);
}

/* Nothing published may be missing on the server, nor anything be held. */
static bool
server_has_all(const struct server *server)
{
    for (size_t i = 0; i < server->lane_count; i++) {
        const struct lane *lane = server->lanes[i];

        if (lane_is_wanted(lane) &&
            (!lane_is_alive(lane) ||
                lane->confirmed_revision < lane->ds->view.state.revision ||
                lane->ds->view.held[0] != '\0'))
            return false;
    }
    return true;
}

/* Says of every dataset that it holds what it should, and did not yet look
 * whether that is so.  After a connection broke, the next round is up to a day
 * away. */
static bool
server_owes_proof(const struct server *server)
{
    bool owes = false;

    for (size_t i = 0; i < server->lane_count; i++) {
        const struct lane *lane = server->lanes[i];

        if (!lane_is_alive(lane))
            continue;
        if (lane->state != LANE_IDLE || lane->stuck || !lane_equal(lane))
            return false;
        owes = owes || !lane->proved;
    }
    return owes;
}

void
server_progressed(struct server *server)
{
    if (!server->ready)
        return;
    if (server->wanted &&
        fleet_published_since(server->fleet, server->wanted_us)) {
        if (server_confirmed(server)) {
            server->wanted = false;
            if (server_has_all(server))
                server_synchronized(server);
        } else {
            server_beat(server);
        }
    } else if (server_owes_proof(server)) {
        server_beat(server);
    }
    server_keys_pump(server);
    fleet_waiters_check(server->fleet);
}

void
server_pump(struct server *server)
{
    if (server->removed)
        return;
    if (server->link == NULL) {
        if (server->wanted && clock_mono_ms() >= server->retry_ms)
            server_connect(server);
        return;
    }
    if (!server->ready)
        return;
    if (server->key_changed) {
        server_keys_pump(server);
        return;
    }
    for (size_t i = 0; i < server->lane_count; i++)
        lane_pump(server->lanes[i]);
    server_progressed(server);
}

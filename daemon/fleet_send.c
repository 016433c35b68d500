/*
 * A bundle that is in memory, sent as frames over a lane: pipelined within the
 * link's window, committed by the last, judged by the replies.
 */
#include <stdlib.h>

#include "admin-proto/push_frame.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "daemon/fleet_events.h"
#include "daemon/fleet_internal.h"

struct send {
    struct lane *lane;
    struct shared_bytes *bundle;
    uint64_t bundle_id;
    size_t offset;
    uint32_t index;
    uint64_t to_revision;
    struct digest to_digest;
    bool confirms;
    int64_t sent_us; /* when the last frame left */
    unsigned unanswered;
    struct err error; /* of the first refused frame */
};

struct shared_bytes *
shared_bytes_new(void)
{
    struct shared_bytes *s = alloc_zeroed(1, sizeof(*s));

    s->references = 1;
    return s;
}

struct shared_bytes *
shared_bytes_share(struct shared_bytes *s)
{
    s->references++;
    return s;
}

void
shared_bytes_release(struct shared_bytes *s)
{
    if (s == NULL || --s->references > 0)
        return;
    buf_release(&s->bytes);
    free(s);
}

void
send_free(struct send *send)
{
    if (send == NULL)
        return;
    shared_bytes_release(send->bundle);
    free(send);
}

static void send_pump(struct send *send);

static void
send_finish(struct send *send)
{
    struct lane *lane = send->lane;

    lane->send = NULL;
    lane->state = LANE_IDLE;
    if (send->error.code != ERR_NONE) {
        lane_failed(lane, &send->error);
    } else {
        lane->server->record.pushes++;
        lane->server->record.last_change_ms = clock_utc_ms();
        if (send->confirms)
            lane_confirmed(lane, send->to_revision, &send->to_digest,
                send->sent_us);
        else
            lane_reached(lane, send->to_revision, &send->to_digest);
        server_pump(lane->server);
    }
    send_free(send);
}

static void
send_answered(void *ctx, const struct link_reply *reply)
{
    struct send *send = ctx;

    send->unanswered--;
    send->lane->server->round_trip_us = reply->round_trip_us;
    server_keys_noticed(send->lane->server, reply);
    if (reply->status != SFTP_OK && send->error.code == ERR_NONE) {
        send->error = reply->error;
    } else if (reply->status == SFTP_OK && send->unanswered == 0) {
        server_hear_events(send->lane->server, reply);
        server_effect_heard(send->lane->server, reply);
    }
    if (send->error.code == ERR_NONE && send->offset < send->bundle->bytes.len)
        send_pump(send);
    if (send->unanswered == 0)
        send_finish(send);
}

static void
send_frame(struct send *send)
{
    struct lane *lane = send->lane;
    struct buf out = BUF_INIT;
    size_t left = send->bundle->bytes.len - send->offset;
    size_t take = left < PUSH_FRAME_PAYLOAD_MAX ? left : PUSH_FRAME_PAYLOAD_MAX;
    const struct push_frame frame = {
        .kind = PUSH_BUNDLE,
        .bundle_id = send->bundle_id,
        .index = send->index++,
        .last = take == left,
        .payload = send->bundle->bytes.data + send->offset,
        .payload_len = take,
    };

    push_frame_encode(&frame, &out);
    send->offset += take;
    send->unanswered++;
    send->sent_us = clock_mono_us();
    link_write(lane->server->link, lane->handle, lane->handle_len, 0, out.data,
        out.len, send_answered, send);
    buf_release(&out);
}

static void
send_pump(struct send *send)
{
    while (send->offset < send->bundle->bytes.len &&
           link_in_flight(send->lane->server->link) < LINK_WINDOW &&
           (send->unanswered == 0 ||
               outbound_in_flight(send->lane->server->fleet->out) <
                   OUTBOUND_WINDOW))
        send_frame(send);
}

void
lane_send(struct lane *lane, struct shared_bytes *bundle, uint64_t to_revision,
    const struct digest *to_digest, bool confirms)
{
    struct send *send = alloc_zeroed(1, sizeof(*send));

    send->lane = lane;
    send->bundle = shared_bytes_share(bundle);
    send->bundle_id = lane->server->fleet->next_bundle_id++;
    send->to_revision = to_revision;
    send->to_digest = *to_digest;
    send->confirms = confirms;
    lane->send = send;
    lane->state = LANE_SENDING;
    send_pump(send);
}

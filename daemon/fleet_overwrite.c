/*
 * An overwrite: the pinned image of a published copy, streamed over a lane.
 * The stream is made on a strand of its own, piece by piece as the link takes
 * them, so that publishing goes on and memory stays bounded.
 */
#include <stdlib.h>

#include "admin-proto/push_frame.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/events.h"
#include "daemon/fleet_internal.h"
#include "daemon/strand.h"

#define PIECE_BYTES (4u * PUSH_FRAME_PAYLOAD_MAX)

struct overwrite {
    struct lane *lane;     /* NULL once abandoned */
    struct server *server; /* held */
    struct dataset *ds;
    struct bundle_signer signer;
    struct strand *strand;
    struct image *image;
    struct overwrite_stream *stream;
    struct dataset_state state;
    bool ordered;               /* by an administrator */
    uint64_t replaces_revision; /* what the server said it holds */
    struct digest replaces_digest;
    bool hurried;    /* the link takes more than is made */
    bool busy;       /* a job uses stream and next */
    struct buf next; /* what the job made, and how far it came */
    bool next_ended;
    uint64_t next_done;
    struct buf pending; /* to be sent, from pending_at on */
    size_t pending_at;
    bool ended; /* the stream has no more */
    uint64_t bundle_id;
    uint32_t index;
    unsigned unanswered;
    int64_t sent_us;
    struct err error;
    struct err job_error;
    uint64_t done_bytes;
    uint64_t total_bytes;
};

static void overwrite_pump(struct overwrite *o);

static void
overwrite_free(struct overwrite *o)
{
    overwrite_stream_close(o->stream);
    strand_free(o->strand);
    buf_release(&o->next);
    buf_release(&o->pending);
    server_release(o->server);
    free(o);
}

static size_t
overwrite_pending(const struct overwrite *o)
{
    return o->pending.len - o->pending_at;
}

/* Ends it once nothing is under way any more; true when it was freed. */
static bool
overwrite_end(struct overwrite *o)
{
    struct lane *lane = o->lane;

    if (o->busy)
        return false;
    if (lane == NULL) {
        overwrite_free(o);
        return true;
    }
    if (o->unanswered > 0)
        return false;
    if (o->error.code == ERR_NONE && !(o->ended && overwrite_pending(o) == 0))
        return false;
    lane->overwrite = NULL;
    lane->state = LANE_IDLE;
    if (o->error.code != ERR_NONE) {
        lane_failed(lane, &o->error);
    } else {
        struct server *server = o->server;

        server->record.overwrites += !server->overwrote;
        server->overwrote = true;
        server->record.pushes++;
        server->record.last_change_ms = clock_utc_ms();
        lane->force_overwrite = false;
        lane->needs_overwrite = false;
        lane->drifted = false;
        events_add(server->fleet->engine->events, "info", "overwrite",
            server->record.name, o->ds->name, "overwritten with revision %llu",
            (unsigned long long)o->state.revision);
        lane_confirmed(lane, o->state.revision, &o->state.digest, o->sent_us);
        /* It is acknowledged only after a scan of all its rows. */
        lane->verified_ms = clock_utc_ms();
        server_save(server, true);
        server_pump(server);
    }
    overwrite_free(o);
    return true;
}

static void
overwrite_answered(void *ctx, const struct link_reply *reply)
{
    struct overwrite *o = ctx;

    o->unanswered--;
    if (reply->status != SFTP_OK && o->error.code == ERR_NONE)
        o->error = reply->error;
    overwrite_pump(o);
}

static void
overwrite_send_frame(struct overwrite *o)
{
    struct lane *lane = o->lane;
    struct buf out = BUF_INIT;
    size_t pending = overwrite_pending(o);
    size_t take =
        pending < PUSH_FRAME_PAYLOAD_MAX ? pending : PUSH_FRAME_PAYLOAD_MAX;
    const struct push_frame frame = {
        .kind = PUSH_BUNDLE,
        .bundle_id = o->bundle_id,
        .index = o->index++,
        .last = o->ended && take == pending,
        .ordered = o->ordered,
        .payload = o->pending.data + o->pending_at,
        .payload_len = take,
    };

    push_frame_encode(&frame, &out);
    o->pending_at += take;
    o->unanswered++;
    o->sent_us = clock_mono_us();
    link_write(lane->server->link, lane->handle, lane->handle_len, 0, out.data,
        out.len, overwrite_answered, o);
    buf_release(&out);
}

static void
overwrite_make(void *arg)
{
    struct overwrite *o = arg;

    uint64_t total;

    overwrite_stream_hurry(o->stream, o->hurried);
    if (overwrite_stream_next(o->stream, PIECE_BYTES, &o->next, &o->next_ended,
            &o->job_error) != 0 &&
        o->job_error.code == ERR_NONE)
        err_set(&o->job_error, ERR_INTERNAL, "the stream failed");
    overwrite_stream_progress(o->stream, &o->next_done, &total);
}

/* What was made is behind what is pending; nothing is copied once that is
 * sent. */
static void
overwrite_take_next(struct overwrite *o)
{
    struct buf sent;

    buf_consume(&o->pending, o->pending_at);
    o->pending_at = 0;
    if (o->pending.len > 0) {
        buf_put(&o->pending, o->next.data, o->next.len);
    } else {
        sent = o->pending;
        o->pending = o->next;
        o->next = sent;
    }
    buf_clear(&o->next);
}

static void
overwrite_made(void *arg, bool cancelled)
{
    struct overwrite *o = arg;

    o->busy = false;
    if (cancelled)
        return;
    if (o->job_error.code != ERR_NONE && o->error.code == ERR_NONE)
        o->error = o->job_error;
    /* A link that has nothing left and little under way waits for us. */
    o->hurried = overwrite_pending(o) == 0 && o->lane != NULL &&
                 link_in_flight(o->server->link) < LINK_WINDOW / 2;
    overwrite_take_next(o);
    o->ended = o->next_ended;
    o->done_bytes = o->next_done;
    if (o->lane != NULL)
        fleet_waiters_progress(o->server, "overwrite", o->ds->name,
            o->done_bytes, o->total_bytes);
    overwrite_pump(o);
}

static bool
overwrite_may_send(const struct overwrite *o)
{
    const struct server *server = o->server;

    return link_in_flight(server->link) < LINK_WINDOW &&
           (o->unanswered == 0 ||
               outbound_in_flight(server->fleet->out) < OUTBOUND_WINDOW);
}

static void
overwrite_pump(struct overwrite *o)
{
    if (o->lane != NULL && o->error.code == ERR_NONE && o->stream != NULL) {
        while (overwrite_pending(o) > 0 && overwrite_may_send(o)) {
            if (!o->ended && overwrite_pending(o) < PUSH_FRAME_PAYLOAD_MAX)
                break;
            overwrite_send_frame(o);
        }
        if (!o->busy && !o->ended && overwrite_pending(o) < 2 * PIECE_BYTES) {
            o->busy = true;
            strand_run(o->strand, overwrite_make, overwrite_made, o);
        }
    }
    overwrite_end(o);
}

/* On the dataset's strand: pin the image. */
static int
overwrite_open_image(struct dataset *ds, void *arg, struct err *e)
{
    struct overwrite *o = arg;

    if (ds->source == NULL)
        return err_set(e, ERR_ROLE, "this node does not publish");
    if (source_image_open(ds->source, &o->image, e) != 0)
        return -1;
    image_state(o->image, &o->state);
    o->total_bytes = image_size(o->image);
    if (overwrite_stream_open(o->image, ds->name, o->replaces_revision,
            &o->replaces_digest, &o->signer, &o->stream, e) != 0)
        return -1;
    return 0;
}

static void
overwrite_opened(struct dataset *ds, void *arg, const struct err *e)
{
    struct overwrite *o = arg;

    (void)ds;
    o->busy = false;
    if (e->code != ERR_NONE)
        o->error = *e;
    overwrite_pump(o);
}

void
lane_overwrite(struct lane *lane)
{
    struct overwrite *o = alloc_zeroed(1, sizeof(*o));
    struct fleet *fleet = lane->server->fleet;
    const struct dataset_job job = {
        .work = overwrite_open_image,
        .done = overwrite_opened,
        .arg = o,
    };

    o->lane = lane;
    o->server = lane->server;
    server_hold(o->server);
    o->ds = lane->ds;
    o->signer = keys_signer(&fleet->engine->keys);
    o->strand = strand_new(fleet->engine->loop);
    o->bundle_id = fleet->next_bundle_id++;
    o->ordered = lane->force_overwrite;
    if (lane->known) {
        o->replaces_revision = lane->revision;
        o->replaces_digest = lane->digest;
    }
    o->busy = true;
    lane->overwrite = o;
    lane->state = LANE_OVERWRITING;
    dataset_run(lane->ds, &job);
}

void
overwrite_abandon(struct lane *lane)
{
    struct overwrite *o = lane->overwrite;

    if (o == NULL)
        return;
    lane->overwrite = NULL;
    o->lane = NULL;
    overwrite_end(o);
}

bool
server_overwriting(const struct server *server)
{
    for (size_t i = 0; i < server->lane_count; i++) {
        if (server->lanes[i]->state == LANE_OVERWRITING)
            return true;
    }
    return false;
}

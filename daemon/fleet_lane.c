/*
 * One dataset on one server: ask what it holds, decide what to send, send it,
 * and know what it confirmed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "daemon/events.h"
#include "daemon/fleet_facts.h"
#include "daemon/fleet_internal.h"

void
lane_init(struct lane *lane, struct server *server, struct dataset *ds)
{
    memset(lane, 0, sizeof(*lane));
    lane->server = server;
    lane->ds = ds;
}

void
lane_reset(struct lane *lane)
{
    send_free(lane->send);
    lane->send = NULL;
    overwrite_abandon(lane);
    lane->generation++;
    lane->state = LANE_CLOSED;
    lane->handle_len = 0;
    lane->known = false;
    lane->proved = false;
    lane->stuck = false;
    lane->tries = 0;
}

void
lane_release(struct lane *lane)
{
    lane_reset(lane);
    buf_release(&lane->drift_keys);
}

bool
lane_is_wanted(const struct lane *lane)
{
    const struct server *server = lane->server;

    return lane->ds->active &&
           settings_sends_to(&server->fleet->engine->settings, lane->ds->name,
               server->record.name);
}

bool
lane_is_alive(const struct lane *lane)
{
    return lane_is_wanted(lane) && lane->ds->view.error.code == ERR_NONE;
}

bool
lane_equal(const struct lane *lane)
{
    const struct dataset_state *now = &lane->ds->view.state;

    return lane->known && !lane->drifted && !lane->needs_overwrite &&
           !lane->force_overwrite && lane->revision == now->revision &&
           digest_equal(&lane->digest, &now->digest);
}

void
lane_confirmed(struct lane *lane, uint64_t revision,
    const struct digest *digest, int64_t sent_us)
{
    lane->known = true;
    lane->proved = true;
    lane->revision = revision;
    lane->digest = *digest;
    lane->drifted = false;
    lane->drift_told = false;
    lane->held = false;
    lane->refused = false;
    err_clear(&lane->error);
    lane->tries = 0;
    lane->confirmed_us = sent_us;
    lane->confirmed_revision = revision;
    /* It looked before it answered: what is dated with the answer's coming may
     * have been edited since. */
    lane->confirmed_ms = clock_utc_ms() - (clock_mono_us() - sent_us) / 1000;
}

void
lane_reached(struct lane *lane, uint64_t revision, const struct digest *digest)
{
    lane->revision = revision;
    lane->digest = *digest;
    lane->drifted = false;
    lane->drift_told = false;
    buf_clear(&lane->drift_keys);
}

/* What a refusal means for the lane: one row per code that is special. */
enum consequence { ASK_AGAIN, REFUSED, HELD_THERE, NEXT_ROUND };

static enum consequence
lane_consequence(enum err_code code)
{
    static const struct {
        enum err_code code;
        enum consequence consequence;
    } table[] = {
        { ERR_GAP, ASK_AGAIN },
        { ERR_DIVERGED, ASK_AGAIN },
        { ERR_DRIFTED, ASK_AGAIN },
        { ERR_DIGEST, ASK_AGAIN },
        { ERR_SCHEMA, ASK_AGAIN },
        { ERR_NEEDS_OVERWRITE, ASK_AGAIN },
        { ERR_POISONED, ASK_AGAIN },
        { ERR_OTHER_WRITER, HELD_THERE },
        { ERR_HELD, HELD_THERE },
        { ERR_OTHER_CLUSTER, REFUSED },
        { ERR_STALE_EPOCH, REFUSED },
        { ERR_SIGNATURE, REFUSED },
        { ERR_VERSION, REFUSED },
        { ERR_ROLE, REFUSED },
        { ERR_NOT_PRIMARY, REFUSED },
        { ERR_PERMISSION, REFUSED },
        { ERR_NOT_FOUND, REFUSED },
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].code == code)
            return table[i].consequence;
    }
    return NEXT_ROUND;
}

void
lane_failed(struct lane *lane, const struct err *e)
{
    struct server *server = lane->server;
    enum consequence consequence = lane_consequence(e->code);

    lane->known = false;
    lane->proved = false;
    if (e->code == ERR_DRIFTED || e->code == ERR_NEEDS_OVERWRITE)
        server->drifted = true;
    if (consequence == ASK_AGAIN && lane->tries < FLEET_LANE_TRIES) {
        lane->tries++;
        lane_pump(lane);
        return;
    }
    lane->refused = consequence == REFUSED;
    lane->held = consequence == HELD_THERE;
    lane->stuck = true;
    server_lane_failed(lane, e);
}

static void
lane_reply_failed(struct lane *lane, const struct link_reply *reply,
    const char *doing)
{
    struct err e = reply->error;

    if (reply->type != SFTP_STATUS || e.code == ERR_NONE)
        err_set(&e, ERR_PROTOCOL, "unexpected answer to %s", doing);
    lane->state = lane->handle_len > 0 ? LANE_IDLE : LANE_CLOSED;
    lane_failed(lane, &e);
}

/* Tells of drift once, with the first rows that the server names. */
static void
lane_report_drift(struct lane *lane, const struct fleet_facts *facts)
{
    struct server *server = lane->server;
    struct events *events = server->fleet->engine->events;

    server->drifted = true;
    if (lane->drift_told)
        return;
    lane->drift_told = true;
    events_add(events, "warning", "drift", server->record.name, lane->ds->name,
        "differs from what was pushed%s%s",
        facts->reason[0] != '\0' ? ": " : "", facts->reason);
    for (size_t i = 0; i < facts->row_count; i++)
        events_add(events, "warning", "drift", server->record.name,
            lane->ds->name, "row drifted: table %s, key %s",
            facts->rows[i].table, facts->rows[i].key);
}

/* What must be right before anything is sent. */
static int
lane_check_facts(const struct lane *lane, const struct fleet_facts *facts,
    struct err *e)
{
    const struct node *node = &lane->server->fleet->engine->node;

    if (strcmp(facts->role, "secondary") != 0) {
        err_set(e, ERR_ROLE, "it is no secondary any more but %s", facts->role);
        err_hint(e, "Remove the server with --force and add it again.");
        return -1;
    }
    if (!facts->has_cluster ||
        memcmp(facts->cluster, node->cluster, ID_SIZE) != 0) {
        err_set(e, ERR_OTHER_CLUSTER, "it belongs to another cluster");
        err_hint(e, "Run \"lockstep node detach\" there, then add it again.");
        return -1;
    }
    if (facts->epoch > node->epoch)
        return err_set(e, ERR_STALE_EPOCH,
            "it has seen epoch %llu, ours is %llu",
            (unsigned long long)facts->epoch, (unsigned long long)node->epoch);
    return 0;
}

/* Half the round trip is all that is known of when it looked. */
static void
lane_note_clock(const struct lane *lane, const struct fleet_facts *facts,
    uint64_t round_trip_us)
{
    struct server *server = lane->server;
    int64_t half_ms = (int64_t)(round_trip_us / 2000);
    int64_t skew_ms = facts->time_ms - (clock_utc_ms() - half_ms);
    int64_t limit_ms = FLEET_SKEW_MS + half_ms;
    bool was_off = server->skew_known && llabs(server->skew_ms) > FLEET_SKEW_MS;

    if (facts->time_ms == 0)
        return;
    server->skew_known = true;
    server->skew_ms = skew_ms;
    if (llabs(skew_ms) > limit_ms && !was_off)
        events_add(server->fleet->engine->events, "warning", "clock-skew",
            server->record.name, NULL, "its clock is %.1f s %s ours",
            (double)llabs(skew_ms) / 1000, skew_ms > 0 ? "ahead of" : "behind");
}

static bool
is_same(const struct buf *a, const struct buf *b)
{
    return a->len == b->len &&
           (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static void
lane_take_facts(struct lane *lane, const struct fleet_facts *facts)
{
    struct server_record *record = &lane->server->record;

    lane->known = true;
    lane->revision = facts->revision;
    lane->digest = facts->digest;
    lane->drifted = facts->drifted;
    lane->needs_overwrite = facts->needs_overwrite;
    if (!is_same(&lane->drift_keys, &facts->drift_keys))
        lane->drift_told = false;
    buf_clear(&lane->drift_keys);
    buf_put(&lane->drift_keys, facts->drift_keys.data, facts->drift_keys.len);
    if (facts->verified_ms != 0)
        lane->verified_ms = facts->verified_ms;
    snprintf(record->version, sizeof(record->version), "%s", facts->version);
    snprintf(record->seen_address, sizeof(record->seen_address), "%s",
        facts->seen_address);
    server_check_rules(lane->server);
    server_effect_facts(lane->server, facts);
    if (lane->drifted || (lane->needs_overwrite && lane->revision != 0))
        lane_report_drift(lane, facts);
}

/* Deciding what to send, on the dataset's strand. */
enum verdict {
    SEND_NOTHING,
    SEND_BUNDLE,
    SEND_REPAIR,
    SEND_OVERWRITE,
    SEND_HELD
};

struct decision {
    struct lane *lane;
    struct server *server; /* held */
    uint64_t generation;
    struct bundle_signer signer;
    uint64_t revision;
    struct digest digest;
    bool drifted;
    bool needs_overwrite;
    bool force;
    struct buf drift_keys;
    enum verdict verdict;
    struct shared_bytes *bundle;
    struct dataset_state state; /* of the newest revision */
    uint64_t to_revision;       /* where BUNDLE leads */
    struct digest to_digest;
};

/* What is wanted, without making it.  Drift is mended at the revision that is
 * held; from there the server is caught up like any other. */
static int
decision_verdict(struct decision *d, struct source *source, struct err *e)
{
    bool known = false;
    bool chained = false;

    if (d->force) {
        d->verdict = SEND_OVERWRITE;
        return 0;
    }
    if (source_knows(source, d->revision, &d->digest, &known, &chained, e) != 0)
        return -1;
    if (d->revision != 0 && !known) {
        d->verdict = SEND_HELD;
        return 0;
    }
    if (d->needs_overwrite || d->revision == 0) {
        d->verdict = SEND_OVERWRITE;
        return 0;
    }
    if (!chained || (d->drifted && d->drift_keys.len == 0))
        d->verdict = SEND_OVERWRITE;
    else if (d->drifted)
        d->verdict = SEND_REPAIR;
    else if (d->revision == d->state.revision)
        d->verdict = SEND_NOTHING;
    else
        d->verdict = SEND_BUNDLE;
    return 0;
}

static int
decision_repair(struct decision *d, struct source *source, struct err *e)
{
    d->to_revision = d->revision;
    d->to_digest = d->digest;
    if (source_repair(source, d->revision, d->drift_keys.data,
            d->drift_keys.len, &d->signer, &d->bundle->bytes, e) == 0)
        return 0;
    if (e->code != ERR_NEEDS_OVERWRITE)
        return -1;
    err_clear(e);
    d->verdict = SEND_OVERWRITE;
    return 0;
}

/* Where the schema changed in between, the bundle ends there, and the next one
 * goes on. */
static int
decision_bundle(struct decision *d, struct source *source, struct err *e)
{
    struct bundle_header made;

    if (source_bundle(source, d->revision, &d->signer, &d->bundle->bytes, &made,
            e) == 0) {
        d->to_revision = made.to_revision;
        d->to_digest = made.digest_after;
        return 0;
    }
    if (e->code != ERR_NEEDS_OVERWRITE)
        return -1;
    err_clear(e);
    d->verdict = SEND_OVERWRITE;
    return 0;
}

static int
decision_work(struct dataset *ds, void *arg, struct err *e)
{
    struct decision *d = arg;

    if (ds->source == NULL)
        return err_set(e, ERR_ROLE, "this node does not publish");
    source_state(ds->source, &d->state);
    if (decision_verdict(d, ds->source, e) != 0)
        return -1;
    if (d->verdict == SEND_REPAIR)
        return decision_repair(d, ds->source, e);
    return d->verdict == SEND_BUNDLE ? decision_bundle(d, ds->source, e) : 0;
}

static void
decision_hold(struct lane *lane)
{
    struct err e = ERR_INIT;

    err_set(&e, ERR_HELD,
        "\"%s\" holds revision %llu of %s, which this primary never made",
        lane->server->record.name, (unsigned long long)lane->revision,
        lane->ds->name);
    err_hint(&e,
        "Look which side is right; \"lockstep server overwrite %s\" replaces "
        "what it holds.",
        lane->server->record.name);
    if (!lane->held)
        events_add(lane->server->fleet->engine->events, "error", "held",
            lane->server->record.name, lane->ds->name, "%s", e.message);
    lane->held = true;
    lane->stuck = true;
    server_failed(lane->server, &e);
}

static void
decision_act(struct lane *lane, struct decision *d)
{
    /* Until here it is what it was: asked again, it is not said to be behind.
     * Whether a repair is held there is known by its answer. */
    lane->held =
        lane->held && (d->verdict == SEND_HELD || d->verdict == SEND_REPAIR);
    switch (d->verdict) {
    case SEND_NOTHING:
        server_progressed(lane->server);
        break;
    case SEND_BUNDLE:
    case SEND_REPAIR:
        lane_send(lane, d->bundle, d->to_revision, &d->to_digest,
            d->to_revision == d->state.revision);
        break;
    case SEND_OVERWRITE:
        lane_overwrite(lane);
        break;
    case SEND_HELD:
        decision_hold(lane);
        break;
    }
}

static void
decision_done(struct dataset *ds, void *arg, const struct err *e)
{
    struct decision *d = arg;
    struct lane *lane = d->lane;

    if (!d->server->removed && lane->generation == d->generation) {
        lane->state = LANE_IDLE;
        if (e->code != ERR_NONE)
            lane_failed(lane, e);
        else if (!keys_signs(&ds->engine->keys, &d->signer))
            lane_pump(lane); /* the key was rotated meanwhile */
        else
            decision_act(lane, d);
    }
    shared_bytes_release(d->bundle);
    buf_release(&d->drift_keys);
    server_release(d->server);
    free(d);
}

static void
lane_decide(struct lane *lane)
{
    struct decision *d = alloc_zeroed(1, sizeof(*d));
    const struct dataset_job job = {
        .work = decision_work,
        .done = decision_done,
        .arg = d,
    };

    d->lane = lane;
    d->server = lane->server;
    server_hold(d->server);
    d->generation = lane->generation;
    d->signer = keys_signer(&lane->server->fleet->engine->keys);
    d->revision = lane->revision;
    d->digest = lane->digest;
    d->drifted = lane->drifted;
    d->needs_overwrite = lane->needs_overwrite;
    d->force = lane->force_overwrite;
    buf_put(&d->drift_keys, lane->drift_keys.data, lane->drift_keys.len);
    d->bundle = shared_bytes_new();
    lane->state = LANE_DECIDING;
    dataset_run(lane->ds, &job);
}

static void
lane_have_facts(void *ctx, const struct link_reply *reply)
{
    struct lane *lane = ctx;
    struct fleet_facts facts;
    struct err e = ERR_INIT;

    if (reply->type != SFTP_DATA) {
        lane_reply_failed(lane, reply, "READ");
        return;
    }
    lane->state = LANE_IDLE;
    if (fleet_facts_read(&facts, reply->data, reply->data_len, &e) != 0 ||
        lane_check_facts(lane, &facts, &e) != 0) {
        err_wrap(&e, "what \"%s\" holds", lane->server->record.name);
        fleet_facts_release(&facts);
        lane_failed(lane, &e);
        return;
    }
    lane_take_facts(lane, &facts);
    lane_note_clock(lane, &facts, reply->round_trip_us);
    fleet_facts_release(&facts);
    lane_pump(lane);
    server_progressed(lane->server);
}

static void
lane_ask(struct lane *lane)
{
    lane->state = LANE_ASKING;
    link_read(lane->server->link, lane->handle, lane->handle_len, 0,
        SFTP_DATA_MAX, lane_have_facts, lane);
}

static void
lane_opened(void *ctx, const struct link_reply *reply)
{
    struct lane *lane = ctx;

    lane->state = LANE_CLOSED;
    if (reply->type != SFTP_HANDLE || reply->data_len > sizeof(lane->handle)) {
        lane_reply_failed(lane, reply, "OPEN");
        return;
    }
    memcpy(lane->handle, reply->data, reply->data_len);
    lane->handle_len = reply->data_len;
    lane_ask(lane);
}

static void
lane_open(struct lane *lane)
{
    char path[128];

    snprintf(path, sizeof(path), "/datasets/%s/push", lane->ds->name);
    lane->state = LANE_OPENING;
    link_open_file(lane->server->link, path, SFTP_OPEN_READ | SFTP_OPEN_WRITE,
        lane_opened, lane);
}

/* The bundle that publishing made for everybody, when it fits. */
static bool
lane_send_published(struct lane *lane)
{
    const struct publication *p =
        fleet_publication(lane->server->fleet, lane->ds);

    if (p->bundle == NULL || lane->drifted || lane->needs_overwrite ||
        lane->force_overwrite || lane->revision != p->bundle_from)
        return false;
    lane_send(lane, p->bundle, p->bundle_to.revision, &p->bundle_to.digest,
        true);
    return true;
}

void
lane_pump(struct lane *lane)
{
    if (!lane->server->ready || lane->stuck || !lane_is_alive(lane) ||
        server_keys_come_first(lane->server))
        return;
    if (lane->state == LANE_CLOSED) {
        lane_open(lane);
        return;
    }
    if (lane->state != LANE_IDLE)
        return;
    if (!lane->known)
        lane_ask(lane);
    else if (!lane_equal(lane) && !lane_send_published(lane))
        lane_decide(lane);
}

/*
 * Publishing: each dataset on its strand, never twice at once; and the bundle
 * from the revision before, made in the same job, that serves every server
 * which is there already.  The journal is trimmed a moment later, and logs are
 * written back when it is quiet, so that this does not share processor and disk
 * with a push, or keep the next publish waiting.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/accounts.h"
#include "daemon/events.h"
#include "daemon/fleet_internal.h"

/* By then the acknowledgements of a small push have come.  Noted rows that are
 * published are looked at by every publish until they are trimmed. */
#define TRIM_AFTER_MS 50
/* Then, if nothing was published in between. */
#define WRITE_BACK_AFTER_MS 100
/* What is published again and again is tidied up now and then all the same. */
#define PUT_OFF_MAX 10
/* After an audit none for so many times as long. */
#define AUDIT_PAUSE 20

struct publish_job {
    struct fleet *fleet; /* held */
    struct publication *publication;
    struct bundle_signer signer;
    bool want_bundle;
    bool audit;
    uint64_t from;
    struct publish_result result;
    struct shared_bytes *bundle;
    int64_t begun_us;
    int64_t begun_ms;
};

/* One that could not be opened yet, or is being opened, is tried by its job. */
static bool
publication_is_made(const struct publication *p)
{
    return p->ds->active && (p->ds->source != NULL ||
                                p->fleet->engine->node.role != NODE_SECONDARY);
}

bool
fleet_published_since(const struct fleet *fleet, int64_t since_us)
{
    for (size_t i = 0; i < fleet->publication_count; i++) {
        const struct publication *p = fleet->publications[i];

        if (publication_is_made(p) && p->begun_us < since_us)
            return false;
    }
    return true;
}

static int
publish_work(struct dataset *ds, void *arg, struct err *e)
{
    struct publish_job *job = arg;
    struct dataset_state before;

    if (ds->source == NULL)
        return 0;
    source_state(ds->source, &before);
    if ((job->audit ? source_publish_audited : source_publish)(ds->source,
            &job->result, e) != 0)
        return -1;
    if (!job->result.published || !job->want_bundle || before.revision == 0)
        return 0;
    /* Without a bundle each server is looked at by itself. */
    struct err bundle_error = ERR_INIT;
    bool known = false;
    bool chained = false;
    job->from = before.revision;
    job->bundle = shared_bytes_new();
    if (source_knows(ds->source, before.revision, &before.digest, &known,
            &chained, &bundle_error) != 0 ||
        !chained ||
        source_bundle(ds->source, before.revision, &job->signer,
            &job->bundle->bytes, NULL, &bundle_error) != 0) {
        shared_bytes_release(job->bundle);
        job->bundle = NULL;
    }
    return 0;
}

static int
trim_work(struct dataset *ds, void *arg, struct err *e)
{
    (void)arg;
    return ds->source == NULL ? 0 : source_trim(ds->source, e);
}

static void
trim_done(struct dataset *ds, void *arg, const struct err *e)
{
    (void)arg;
    if (e->code != ERR_NONE && e->code != ERR_BUSY)
        log_warning("could not trim the journal of %s: %s", ds->name,
            e->message);
}

static int
write_back_work(struct dataset *ds, void *arg, struct err *e)
{
    (void)arg;
    return ds->source == NULL ? 0 : source_write_back(ds->source, e);
}

static void
publication_report(struct publication *p, const struct err *e)
{
    struct events *events = p->fleet->engine->events;

    /* Why a dataset cannot be opened is told by whoever tries. */
    if (e->code == p->error.code || e->code == ERR_CANCELLED ||
        p->ds->view.error.code != ERR_NONE)
        return;
    if (e->code == ERR_HELD)
        events_add(events, "error", "held", NULL, p->ds->name, "%s",
            e->message);
    else if (e->code != ERR_NONE)
        events_add(events, "warning", "publish-error", NULL, p->ds->name,
            "could not publish: %s", e->message);
    else if (p->error.code == ERR_HELD)
        events_add(events, "info", "released", NULL, p->ds->name,
            "publishing goes on");
}

/* The servers that want something; pumping may add or drop none, but fail
 * some. */
static void
fleet_pump(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->server_count; i++) {
        if (fleet->servers[i]->wanted)
            server_pump(fleet->servers[i]);
    }
    fleet_waiters_check(fleet);
}

/* True if there will be something left to do: one thing at a time, so that a
 * publish finds its way between. */
static bool
publication_tidy(struct publication *p)
{
    static const struct dataset_job trim = { trim_work, trim_done, NULL };
    static const struct dataset_job write_back = { write_back_work, NULL,
        NULL };
    bool late = p->put_off >= PUT_OFF_MAX;

    if (!p->ds->active || !p->unwritten)
        return false;
    p->put_off++;
    if (p->running && !late)
        return true;
    if (p->untrimmed) {
        dataset_run(p->ds, &trim);
        p->untrimmed = false;
        if (!late)
            return true;
    }
    dataset_run(p->ds, &write_back);
    p->unwritten = false;
    return false;
}

static void
fleet_tidy(uv_timer_t *timer)
{
    struct fleet *fleet = timer->data;
    bool again = false;

    for (size_t i = 0; i < fleet->publication_count; i++)
        again = publication_tidy(fleet->publications[i]) || again;
    if (again)
        uv_timer_start(timer, fleet_tidy, WRITE_BACK_AFTER_MS, 0);
}

static void
publication_tidy_later(struct publication *p)
{
    uv_timer_t *timer = &p->fleet->tidy;

    p->untrimmed = true;
    if (!p->unwritten)
        p->put_off = 0;
    p->unwritten = true;
    if (!uv_is_active((uv_handle_t *)timer))
        uv_timer_start(timer, fleet_tidy, TRIM_AFTER_MS, 0);
}

static void publication_run(struct publication *p);

/* A commit that instant publishing found concerns every server. */
static void
fleet_want_instant(struct fleet *fleet)
{
    if (!fleet->engine->node.instant)
        return;
    for (size_t i = 0; i < fleet->server_count; i++) {
        struct server *server = fleet->servers[i];

        if (!server_paused(server) && !server->wanted) {
            server->wanted = true;
            server->wanted_us = server->lane_count > 0 ? 1 : 0;
            if (server->ready)
                server->last_attempt_ms = clock_utc_ms();
        }
    }
}

static void
publish_done(struct dataset *ds, void *arg, const struct err *e)
{
    struct publish_job *job = arg;
    struct publication *p = job->publication;
    struct fleet *fleet = job->fleet;

    p->running = false;
    if (job->audit)
        p->audit_due_ms = clock_mono_ms() + (clock_mono_us() - job->begun_us) *
                                                AUDIT_PAUSE / 1000;
    if (!fleet->closing) {
        publication_report(p, e);
        p->error = *e;
        p->begun_us = job->begun_us;
        p->begun_ms = job->begun_ms;
        if (e->code == ERR_NONE && job->result.published) {
            shared_bytes_release(p->bundle);
            p->bundle = NULL;
            /* One that an earlier key signed is made anew for each. */
            if (keys_signs(&ds->engine->keys, &job->signer)) {
                p->bundle = job->bundle;
                job->bundle = NULL;
            }
            p->bundle_from = job->from;
            p->bundle_to = job->result.state;
            p->published_rows = job->result.changed_rows;
            publication_tidy_later(p);
            fleet_want_instant(fleet);
        }
        if (p->again)
            publication_run(p);
        fleet_pump(fleet);
    }
    shared_bytes_release(job->bundle);
    free(job);
    fleet_release(fleet);
}

void
fleet_forget_bundles(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->publication_count; i++) {
        shared_bytes_release(fleet->publications[i]->bundle);
        fleet->publications[i]->bundle = NULL;
    }
}

static void
publication_run(struct publication *p)
{
    struct publish_job *arg;

    if (!publication_is_made(p))
        return;
    if (p->running) {
        p->again = true;
        return;
    }
    arg = alloc_zeroed(1, sizeof(*arg));
    arg->fleet = p->fleet;
    fleet_hold(p->fleet);
    arg->publication = p;
    arg->signer = keys_signer(&p->fleet->engine->keys);
    arg->audit = p->audit && clock_mono_ms() >= p->audit_due_ms;
    p->audit = false;
    arg->want_bundle = p->fleet->server_count > 0;
    arg->begun_us = clock_mono_us();
    arg->begun_ms = clock_utc_ms();
    p->running = true;
    p->again = false;
    const struct dataset_job job = { publish_work, publish_done, arg };
    dataset_run(p->ds, &job);
}

void
fleet_publish(struct fleet *fleet, struct dataset *ds)
{
    for (size_t i = 0; i < fleet->publication_count; i++) {
        if (ds == NULL || fleet->publications[i]->ds == ds)
            publication_run(fleet->publications[i]);
    }
}

void
fleet_publish_audited(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->publication_count; i++)
        fleet->publications[i]->audit = true;
    fleet_publish(fleet, NULL);
}

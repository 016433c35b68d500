/*
 * A bundle applied: verified whole, then one transaction, retried from the
 * start while somebody holds the file, holding nothing in between.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/stop.h"
#include "sync/open.h"
#include "sync/replica_internal.h"

/* Tries in which nobody is kept waiting while we look. */
#define TRIES_APART 2

/* One try. */
struct attempt {
    const struct bundle_header *header;
    const struct buf *body;
    bool clear_first;
    bool insist;   /* others write all the time: look while they wait */
    bool collided; /* try again, clearing first */
    bool ddl;      /* the schema in memory may be ahead of the file */
    bool committed;
};

/* Whether the bundle was applied before; -1 when it contradicts what is held.
 * 1: a repeat. */
static int
check_revision(const struct replica *r, const struct bundle_header *h,
    struct err *e)
{
    const struct dataset_state *held = &r->state;

    if (h->from_revision >= h->to_revision)
        return err_set(e, ERR_CORRUPT, "bundle goes from revision %llu to %llu",
            (unsigned long long)h->from_revision,
            (unsigned long long)h->to_revision);
    if (h->to_revision == held->revision) {
        if (h->epoch == held->epoch &&
            memcmp(h->writer, held->writer, ID_SIZE) == 0 &&
            digest_equal(&h->digest_after, &held->digest))
            return 1;
        return err_set(e, ERR_DIVERGED,
            "revision %llu of dataset \"%s\" is held from another writer or "
            "with other rows",
            (unsigned long long)held->revision, r->name);
    }
    if (h->from_revision != held->revision)
        return err_set(e, ERR_GAP,
            "dataset \"%s\": revision %llu is held, the bundle begins at %llu",
            r->name, (unsigned long long)held->revision,
            (unsigned long long)h->from_revision);
    if (digest_equal(&h->digest_before, &held->digest))
        return 0;
    if (memcmp(h->writer, held->writer, ID_SIZE) != 0)
        return err_set(e, ERR_OTHER_WRITER,
            "another primary wrote revision %llu of dataset \"%s\"",
            (unsigned long long)held->revision, r->name);
    return err_set(e, ERR_DIVERGED,
        "dataset \"%s\": revision %llu is held with another digest", r->name,
        (unsigned long long)held->revision);
}

static int
check_schema(const struct replica *r, const uint8_t hash[HASH_SIZE],
    const char *when, struct err *e)
{
    if (memcmp(r->schema->hash, hash, HASH_SIZE) == 0)
        return 0;
    return err_set(e, ERR_SCHEMA,
        "dataset \"%s\" has another schema than the primary's %s the bundle",
        r->name, when);
}

static int
apply_body(struct replica *r, struct attempt *a, struct row_work *w,
    struct err *e)
{
    const struct bundle_header *h = a->header;
    struct reader body = reader_over(a->body->data, a->body->len);
    bool ddl = false;
    int result;

    result = ddl_apply(w, &body, &ddl, e);
    a->ddl = a->ddl || ddl;
    if (result != 0 || body_read_specials(w, &body, e) != 0 ||
        rows_apply(w, body, e) != 0 || rows_apply_specials(w, e) != 0 ||
        check_schema(r, h->schema_after, "after", e) != 0)
        return -1;
    if (!digest_equal(&w->digest, &h->digest_after) || w->rows != h->rows_after)
        return err_set(e, ERR_DIGEST,
            "dataset \"%s\" would differ from revision %llu after the bundle",
            r->name, (unsigned long long)h->to_revision);
    return 0;
}

static void
state_after(const struct replica *r, const struct bundle_header *h,
    struct dataset_state *next)
{
    *next = r->state;
    memcpy(next->cluster, h->cluster, ID_SIZE);
    next->epoch = h->epoch;
    memcpy(next->writer, h->writer, ID_SIZE);
    next->revision = h->to_revision;
    memcpy(next->schema_hash, h->schema_after, HASH_SIZE);
    next->digest = h->digest_after;
    next->rows = h->rows_after;
    next->changed_ms = h->changed_ms;
}

/* Our own schema change is nobody else's: triggers to match, and the cookie
 * that the commit will leave. */
static int
settle_schema(struct replica *r, uint32_t *cookie, struct err *e)
{
    bool changed;

    if (replica_settle_traces(r, r->db, r->schema, &changed, e) != 0)
        return -1;
    return database_schema_cookie(r->db, cookie, e);
}

/* Between BEGIN and COMMIT. */
static int
apply_locked(struct replica *r, struct attempt *a, struct err *e)
{
    struct row_work w = {
        .r = r,
        .digest = r->actual,
        .rows = r->actual_rows,
        .clear_first = a->clear_first,
    };
    struct dataset_state next;
    uint32_t cookie = r->cookie;
    int result = -1;

    state_after(r, a->header, &next);
    if (apply_body(r, a, &w, e) != 0 ||
        (a->ddl && settle_schema(r, &cookie, e) != 0) ||
        state_write(r->db, &next, e) != 0 || live_commit(r, e) != 0)
        goto out;
    r->cookie = cookie;
    r->state = next;
    r->actual = w.digest;
    r->actual_rows = w.rows;
    if (w.specials_now.len > 0) {
        buf_clear(&r->specials);
        buf_put(&r->specials, w.specials_now.data, w.specials_now.len);
    }
    a->committed = true;
    result = 0;
out:
    a->collided = w.collided && !a->clear_first;
    buf_release(&w.specials_now);
    return result;
}

/* BEGIN IMMEDIATE, and proof that the file is still the one examined. */
static int
begin_untouched(struct replica *r, bool insist, struct err *e)
{
    bool touched = true, same = false;

    if (live_begin(r, e) != 0)
        return -1;
    if (live_touched(r, &touched, e) == 0 &&
        (!touched ||
            (insist && replica_examine_locked(r, &same, e) == 0 && same)))
        return 0;
    touched = e->code == ERR_NONE;
    database_rollback(r->db);
    if (touched)
        return err_set(e, ERR_BUSY, "somebody else writes to dataset \"%s\"",
            r->name);
    return -1;
}

static int
try_changes(struct replica *r, struct attempt *a, struct err *e)
{
    int repeat;

    if (replica_examine(r, e) != 0 ||
        replica_check_sender(r, a->header->dataset, a->header->cluster,
            a->header->epoch, e) != 0)
        return -1;
    if (r->state.revision == 0)
        return replica_refuse_drift(r, e);
    repeat = check_revision(r, a->header, e);
    if (repeat < 0 || replica_refuse_drift(r, e) != 0)
        return -1;
    if (repeat == 1)
        return 0;
    if (check_schema(r, a->header->schema_before, "before", e) != 0 ||
        begin_untouched(r, a->insist, e) != 0)
        return -1;
    if (apply_locked(r, a, e) == 0) {
        live_note_stat(r);
        return 0;
    }
    database_rollback(r->db);
    if (a->ddl) {
        /* The schema in memory may be the one that was rolled back. */
        struct err ignored = ERR_INIT;

        r->suspect = true;
        live_load_schema(r, &ignored);
    }
    return -1;
}

static int
try_repair(struct replica *r, struct attempt *a, struct err *e)
{
    if (replica_examine(r, e) != 0 ||
        replica_check_sender(r, a->header->dataset, a->header->cluster,
            a->header->epoch, e) != 0)
        return -1;
    if (r->needs_overwrite)
        return replica_refuse_drift(r, e);
    if (begin_untouched(r, a->insist, e) != 0)
        return -1;
    a->committed = repair_apply(r, a->header, a->body, a->clear_first,
                       &a->collided, e) == 0;
    database_rollback(r->db);
    return a->committed ? 0 : -1;
}

static void
note_blocker(struct replica *r, struct err *e)
{
    blocker_find(r->live_path, r->blocker, sizeof(r->blocker));
    blocker_explain(r->live_path, e);
    err_wrap(e, "dataset \"%s\"", r->name);
}

static int
apply_with_retries(struct replica *r, struct attempt *a, struct err *e)
{
    int (*try)(struct replica *, struct attempt *, struct err *) =
        a->header->kind == BUNDLE_REPAIR ? try_repair : try_changes;

    for (int n = 0; n < REPLICA_TRIES; n++) {
        err_clear(e);
        a->collided = false;
        a->insist = n >= TRIES_APART;
        if (try(r, a, e) == 0) {
            r->blocker[0] = '\0';
            return 0;
        }
        if (a->collided) {
            a->clear_first = true;
            continue;
        }
        if (e->code != ERR_BUSY || stop_is_requested())
            return -1;
        blocker_find(r->live_path, r->blocker, sizeof(r->blocker));
        usleep(REPLICA_PAUSE_US);
    }
    if (e->code == ERR_BUSY)
        note_blocker(r, e);
    return -1;
}

/* A longer body has more rows than their pages fit SQLite's own measure of
 * memory. */
#define ROOM_BODY 4096

/* Applies with room for the rows of a long body. */
static int
apply_roomy(struct replica *r, struct attempt *a, struct err *e)
{
    bool room = a->body->len > ROOM_BODY;
    int result;

    if (room)
        database_make_room(r->db, true);
    result = apply_with_retries(r, a, e);
    if (room)
        database_make_room(r->db, false);
    return result;
}

/* By the primary's bundle key or the successor that it announced. */
static int
open_signed(const struct replica *r, const void *bundle, size_t len,
    struct bundle_header *header, struct buf *body, struct err *e)
{
    if (bundle_open(bundle, len, r->bundle_key, REPLICA_BODY_MAX, header, body,
            e) == 0)
        return 0;
    if (e->code != ERR_SIGNATURE || !r->has_next_bundle_key)
        return -1;
    err_clear(e);
    return bundle_open(bundle, len, r->next_bundle_key, REPLICA_BODY_MAX,
        header, body, e);
}

int
replica_apply(struct replica *r, const void *bundle, size_t len, struct err *e)
{
    struct bundle_header header;
    struct buf body = BUF_INIT;
    struct attempt a = { .header = &header, .body = &body };
    int result = -1;

    if (!r->trusted) {
        err_set(e, ERR_ROLE, "this server is not a secondary");
        goto out;
    }
    if (open_signed(r, bundle, len, &header, &body, e) != 0)
        goto out;
    if (header.kind == BUNDLE_OVERWRITE) {
        err_set(e, ERR_INVALID, "an overwrite is not pushed as changes");
        goto out;
    }
    result = apply_roomy(r, &a, e);
out:
    buf_release(&body);
    return result;
}

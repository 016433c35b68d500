/*
 * Is the live file still what was pushed?  Cheap while nobody touched it: no
 * table is read.  Once somebody did, the whole file is examined in one read
 * transaction: state row, triggers, journal, every row.  What comes out is one
 * of: equal; drifted in known rows, which a REPAIR bundle mends; or in need of
 * an overwrite.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "sync/open.h"
#include "sync/replica_internal.h"
#include "sync/value.h"

/* Keys named in a reason or event. */
#define KEYS_NAMED 3

/* What one examination found. */
struct findings {
    bool has_state;
    struct dataset_state state;
    struct digest digest;
    uint64_t rows;
    struct capture_keys keys;
};

static void mark_lost(struct replica *r, bool drifted, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
mark_lost(struct replica *r, bool drifted, const char *fmt, ...)
{
    bool known = r->needs_overwrite;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(r->reason, sizeof(r->reason), fmt, ap);
    va_end(ap);
    r->needs_overwrite = true;
    r->drifted = drifted;
    if (!known)
        replica_notice(r, drifted ? "drift" : "overwrite-needed", "%s",
            r->reason);
}

/* "table users key 17, table users key 18 and 3 more" */
static void
name_keys(const struct capture_keys *keys, char *out, size_t size)
{
    size_t used = 0;
    char shown[64];

    out[0] = '\0';
    for (size_t i = 0; i < keys->count && i < KEYS_NAMED && used < size; i++) {
        const struct capture_key *k = &keys->items[i];

        value_show(k->key, k->key_len, shown, sizeof(shown));
        used += (size_t)snprintf(out + used, size - used,
            "%stable %.48s key %s", i > 0 ? ", " : "", k->table->name, shown);
    }
    if (keys->count > KEYS_NAMED && used < size)
        snprintf(out + used, size - used, " and %zu more",
            keys->count - KEYS_NAMED);
}

static void
mark_drifted(struct replica *r, const struct capture_keys *keys)
{
    bool news = !r->drifted || r->drift_rows != keys->count;
    char names[200];

    name_keys(keys, names, sizeof(names));
    snprintf(r->reason, sizeof(r->reason), "changed on this server: %s", names);
    r->drifted = true;
    r->needs_overwrite = false;
    r->drift_rows = keys->count;
    if (news)
        replica_notice(r, "drift", "%s", names);
}

void
replica_mark_equal(struct replica *r)
{
    r->drifted = false;
    r->needs_overwrite = false;
    r->drift_rows = 0;
    r->reason[0] = '\0';
}

/* Puts the triggers back when somebody removed them. */
static int
restore_triggers(struct replica *r, struct err *e)
{
    bool changed;

    if (r->state.revision == 0)
        return 0; /* not ours yet */
    if (replica_settle_traces(r, r->db, r->schema, &changed, e) != 0)
        return -1;
    if (changed && !r->fresh && r->drift_capture == CAPTURE_TRIGGERS)
        replica_notice(r, "drift", "triggers were missing and made again");
    return 0;
}

static int
read_state_row(struct replica *r, struct findings *f, struct err *e)
{
    if (state_read(r->db, &f->state, e) == 0) {
        f->has_state = f->state.revision > 0;
        return 0;
    }
    if (e->code != ERR_NOT_FOUND)
        return -1;
    err_clear(e);
    memset(&f->state, 0, sizeof(f->state));
    return 0;
}

/* Reads all there is to know in one snapshot. */
static int
read_findings(struct replica *r, struct findings *f, struct err *e)
{
    int result = -1;

    live_note_stat(r);
    if (database_exec(r->db, "BEGIN", e) != 0)
        return -1;
    /* The first read opens the snapshot that all the others see. */
    if (database_schema_cookie(r->db, &r->cookie, e) != 0 ||
        database_data_version(r->db, &r->data_version, e) != 0 ||
        live_load_schema(r, e) != 0 || read_state_row(r, f, e) != 0)
        goto out;
    if (f->has_state) {
        buf_clear(&r->specials);
        if (digest_scan(r->db, r->schema, &f->digest, &f->rows, e) != 0 ||
            specials_read(r->db, &r->schema->selection, &r->specials, e) != 0 ||
            replica_read_journal(r, &f->keys, e) != 0)
            goto out;
    }
    result = 0;
out:
    database_rollback(r->db);
    return result;
}

/* All rows of the journal, if nobody wrote since it was read. */
static int
clear_untouched(struct replica *r, struct err *e)
{
    uint32_t version;

    if (database_data_version(r->db, &version, e) != 0)
        return -1;
    return version == r->data_version ? capture_clear(r->db, e) : -1;
}

/* Forgets journal rows that turned out to change nothing. */
static void
trim_harmless(struct replica *r, const struct capture_keys *keys)
{
    struct err e = ERR_INIT;

    if ((keys->count == 0 && !keys->too_many) || live_begin(r, &e) != 0)
        return;
    if ((keys->too_many ? clear_untouched(r, &e)
                        : capture_trim(r->db, keys, &e)) == 0)
        live_commit(r, &e);
    database_rollback(r->db);
    live_note_stat(r);
}

static bool
same_revision(const struct dataset_state *a, const struct dataset_state *b)
{
    return a->revision == b->revision && a->epoch == b->epoch &&
           digest_equal(&a->digest, &b->digest) &&
           memcmp(a->cluster, b->cluster, ID_SIZE) == 0;
}

static void
judge(struct replica *r, struct findings *f)
{
    struct dataset_state held = r->state;

    if (!f->has_state) {
        memset(&r->state, 0, sizeof(r->state));
        mark_lost(r, held.revision > 0,
            held.revision > 0
                ? "the live database was replaced by one that is not ours"
                : "the live database holds nothing that was pushed");
        return;
    }
    r->state = f->state;
    r->actual = f->digest;
    r->actual_rows = f->rows;
    r->state.verified_ms = clock_utc_ms();
    if (held.revision > 0 && !same_revision(&held, &f->state)) {
        memcpy(r->replaced_writer, held.writer, ID_SIZE);
        mark_lost(r, true,
            "the live database was replaced by revision %llu, "
            "revision %llu was held",
            (unsigned long long)f->state.revision,
            (unsigned long long)held.revision);
        return;
    }
    if (digest_equal(&f->digest, &f->state.digest) &&
        memcmp(r->schema->hash, f->state.schema_hash, HASH_SIZE) == 0) {
        trim_harmless(r, &f->keys);
        replica_mark_equal(r);
        return;
    }
    if (memcmp(r->schema->hash, f->state.schema_hash, HASH_SIZE) != 0)
        mark_lost(r, true, "the schema was changed on this server");
    else if (f->keys.too_many)
        mark_lost(r, true, "more than %d rows were changed on this server",
            CAPTURE_KEYS_MAX);
    else if (f->keys.count > 0)
        mark_drifted(r, &f->keys);
    else
        mark_lost(r, true, "rows were changed on this server%s",
            r->drift_capture == CAPTURE_TRIGGERS ? " past its triggers" : "");
}

/* The thorough way. */
static int
examine_file(struct replica *r, struct err *e)
{
    struct findings f = { 0 };
    int result = -1;

    sqlite3_db_release_memory(r->db);
    if (live_load_schema(r, e) != 0 || read_state_row(r, &f, e) != 0)
        goto out;
    if (f.has_state && r->state.revision == 0)
        r->state = f.state;
    if ((f.has_state && restore_triggers(r, e) != 0) ||
        read_findings(r, &f, e) != 0)
        goto out;
    judge(r, &f);
    r->suspect = false;
    r->fresh = false;
    result = 0;
out:
    capture_keys_release(&f.keys);
    return result;
}

static int
examine_anew(struct replica *r, struct err *e)
{
    r->suspect = true;
    if (r->db != NULL && live_moved(r))
        live_close(r);
    if (r->db == NULL && live_open(r, e) != 0)
        return -1;
    if (r->db == NULL) {
        bool held = r->state.revision > 0;

        memset(&r->state, 0, sizeof(r->state));
        if (held)
            replica_notice(r, "overwrite-needed", "%s", r->reason);
        r->drifted = r->drifted || held;
        return 0;
    }
    if (examine_file(r, e) == 0)
        return 0;
    if (e->code != ERR_CORRUPT)
        return -1;
    /* Damage is an answer, not a failure of ours. */
    mark_lost(r, true, "the live database is damaged: %.150s", e->message);
    err_clear(e);
    return 0;
}

static int
examine_if_touched(struct replica *r, struct err *e)
{
    bool touched;

    if (live_touched(r, &touched, e) != 0) {
        if (e->code != ERR_CORRUPT)
            return -1;
        err_clear(e);
        touched = true;
    }
    return touched ? examine_anew(r, e) : 0;
}

/* The file without its rows: nothing of ours was changed either. */
static int
same_frame(struct replica *r, uint32_t *version, bool *same, struct err *e)
{
    struct findings f = { 0 };
    uint32_t cookie;

    if (database_schema_cookie(r->db, &cookie, e) != 0 ||
        database_data_version(r->db, version, e) != 0 ||
        read_state_row(r, &f, e) != 0)
        return -1;
    *same = !r->suspect && !live_moved(r) && cookie == r->cookie &&
            f.has_state && same_revision(&f.state, &r->state);
    return 0;
}

int
replica_examine_locked(struct replica *r, bool *same, struct err *e)
{
    struct buf specials = BUF_INIT;
    struct digest digest;
    uint32_t version;
    uint64_t rows;
    int result = -1;

    if (same_frame(r, &version, same, e) != 0)
        return -1;
    if (!*same)
        return 0;
    if (digest_scan(r->db, r->schema, &digest, &rows, e) == 0 &&
        specials_read(r->db, &r->schema->selection, &specials, e) == 0)
        result = 0;
    *same = result == 0 && digest_equal(&digest, &r->actual) &&
            rows == r->actual_rows && specials.len == r->specials.len &&
            memcmp(specials.data, r->specials.data, specials.len) == 0;
    if (*same)
        r->data_version = version;
    buf_release(&specials);
    return result;
}

int
replica_examine(struct replica *r, struct err *e)
{
    int result = examine_if_touched(r, e);

    if (result != 0 && e->code == ERR_BUSY)
        blocker_explain(r->live_path, e);
    return result;
}

int
replica_refuse_drift(const struct replica *r, struct err *e)
{
    if (r->needs_overwrite)
        return err_set(e, ERR_NEEDS_OVERWRITE,
            "dataset \"%s\" must be overwritten: %s", r->name, r->reason);
    if (r->drifted)
        return err_set(e, ERR_DRIFTED, "dataset \"%s\" has drifted: %s",
            r->name, r->reason);
    return 0;
}

int
replica_scrub(struct replica *r, struct err *e)
{
    r->suspect = true;
    return replica_examine(r, e);
}

/* Notes durably that another writer goes on from what is held. */
static int
adopt_writer(struct replica *r, const uint8_t writer[ID_SIZE], struct err *e)
{
    struct dataset_state next = r->state;
    bool touched;

    memcpy(next.writer, writer, ID_SIZE);
    if (live_begin(r, e) != 0)
        return -1;
    if (live_touched(r, &touched, e) != 0 || touched) {
        database_rollback(r->db);
        r->suspect = true;
        return err_set(e, ERR_BUSY, "somebody else writes to dataset \"%s\"",
            r->name);
    }
    if (state_write(r->db, &next, e) != 0 || live_commit(r, e) != 0) {
        database_rollback(r->db);
        return -1;
    }
    r->state = next;
    live_note_stat(r);
    return 0;
}

int
replica_heartbeat(struct replica *r, const uint8_t cluster[ID_SIZE],
    uint64_t epoch, const uint8_t writer[ID_SIZE], uint64_t revision,
    const struct digest *digest, struct err *e)
{
    bool same;

    if (replica_check_sender(r, NULL, cluster, epoch, e) != 0 ||
        replica_examine(r, e) != 0)
        return -1;
    same = r->state.revision > 0 && revision == r->state.revision &&
           digest_equal(digest, &r->state.digest);
    /* The digest shows that this writer goes on from what is held.  A higher
     * epoch is adopted from a signed bundle only. */
    if (same && r->db != NULL && epoch == r->state.epoch &&
        memcmp(writer, r->state.writer, ID_SIZE) != 0 &&
        adopt_writer(r, writer, e) != 0)
        return -1;
    if (replica_refuse_drift(r, e) != 0)
        return -1;
    if (same) {
        exchange_forget_replaced(r, false);
        live_checkpoint(r, true);
        return 0;
    }
    if (revision == r->state.revision)
        return err_set(e, ERR_DIVERGED,
            "dataset \"%s\": revision %llu is held with another digest",
            r->name, (unsigned long long)revision);
    return err_set(e, ERR_GAP,
        "dataset \"%s\": revision %llu is held, not %llu", r->name,
        (unsigned long long)r->state.revision, (unsigned long long)revision);
}

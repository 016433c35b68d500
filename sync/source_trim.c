/*
 * After a publish: what the journal notes is published now, and goes, at once
 * where nobody wrote since, else in short transactions; a new nonce takes the
 * place of the one that the file had.  In a quiet moment after that, logs are
 * written back, and history gets shorter.
 */
#include "sync/source_internal.h"

#include <string.h>

#include "base/stop.h"
#include "sync/open.h"

/* Logs of our own files are written back beyond this, between publishes: every
 * few thousand rows all over a file, because the next publish may have to wait
 * for it.  Until then they cost room on the disk, 16 MiB. */
#define LOG_PAGES_MAX 4000
/* How often history is cut back, in revisions. */
#define RETAIN_EVERY 64
/* Journal rows dealt with in one transaction: about 20 ms. */
#define SLICE_ROWS 4096

/* Whether an older copy was put over the live file after the publish: it must
 * not get the nonce of now. */
static int
is_older(struct source *s, bool *older, struct err *e)
{
    struct file_mark mark;

    *older = false;
    if (source_live_mark(s, &mark, e) != 0)
        goto fail;
    if (source_same_mark(&mark, &s->mark))
        return 0;
    /* One that was cut off is no base for its log, nor are pages in memory. */
    *older = mark.size < s->mark.size;
    sqlite3_db_release_memory(s->live);
    if (*older || (source_base_check(s, &mark, e) == 0 &&
                      source_lacks_untrimmed(s, older, e) == 0))
        return 0;
fail:
    if (e->code != ERR_HELD)
        return -1;
    err_clear(e); /* the next publish says so */
    *older = true;
    return 0;
}

/* A write transaction, the FIRST or one more; *SAME is false when it is another
 * file than the one that was published: the next publish sees to that. */
static int
begin(struct source *s, bool first, bool *same, struct err *e)
{
    uint8_t nonce[ID_SIZE];
    bool present, older = false;

    *same = false;
    if (stop_check(e) != 0 || database_exec(s->live, "BEGIN IMMEDIATE", e) != 0)
        return -1;
    if (capture_read_nonce(s->live, nonce, &present, e) != 0)
        return -1;
    if (!present || (memcmp(nonce, s->state.nonce, ID_SIZE) != 0 &&
                        memcmp(nonce, s->state.nonce_next, ID_SIZE) != 0))
        return 0;
    if (first && is_older(s, &older, e) != 0)
        return -1;
    *same = !older;
    return 0;
}

/* The journal is as it should be, in the open transaction. */
static int
finish(struct source *s, struct err *e)
{
    if (capture_write_nonce(s->live, s->state.nonce_next, e) != 0 ||
        database_exec(s->live, "COMMIT", e) != 0)
        return -1;
    capture_keys_release(&s->journal);
    s->trim_settled = false;
    s->untrimmed = false;
    return 0;
}

/* The keys that were published, where they are noted as they were then. */
static int
trim_keys(struct source *s, struct err *e)
{
    const struct capture_keys *all = &s->journal;
    struct capture_keys slice;
    bool same;

    for (size_t done = 0;; done += slice.count) {
        slice = (struct capture_keys){
            .items = all->items + done,
            .count =
                all->count - done < SLICE_ROWS ? all->count - done : SLICE_ROWS,
        };
        if (begin(s, done == 0, &same, e) != 0)
            return -1;
        if (!same)
            return 0;
        if (capture_trim(s->live, &slice, e) != 0)
            return -1;
        if (done + slice.count == all->count)
            return finish(s, e);
        if (database_exec(s->live, "COMMIT", e) != 0)
            return -1;
    }
}

/* In a transaction, so that the row stays as it is while it is looked at. */
struct settling {
    struct source *s;
    struct row_pair pair;
};

static int
is_published(void *ctx, const struct capture_key *key, struct err *e)
{
    struct settling *settling = ctx;
    int differs = source_row_differs(settling->s, key, &settling->pair, e);

    return differs < 0 ? -1 : !differs;
}

/* Every noted row that stands as it is published.  Nobody remembers more keys
 * than fit in memory. */
static int
trim_settled(struct source *s, struct err *e)
{
    struct settling settling = { .s = s };
    struct capture_slice slice = { .settled = is_published, .ctx = &settling };
    bool same = true;
    int r;

    do {
        r = begin(s, slice.key_count == 0, &same, e);
        if (r == 0 && same)
            r = capture_trim_slice(s->live, s->schema, &slice, SLICE_ROWS, e);
        if (r == 0 && same)
            r = slice.done ? finish(s, e) : database_exec(s->live, "COMMIT", e);
    } while (r == 0 && same && !slice.done);
    row_pair_release(&settling.pair);
    buf_release(&slice.key);
    return r;
}

/* All of the journal at once, if nobody wrote since it was read. */
static int
trim_all(struct source *s, bool *done, struct err *e)
{
    uint32_t version;
    bool same;

    *done = false;
    if (begin(s, true, &same, e) != 0 ||
        database_data_version(s->live, &version, e) != 0)
        return -1;
    *done = !same || version == s->data_version;
    if (!same || !*done)
        return 0;
    return capture_clear(s->live, e) != 0 ? -1 : finish(s, e);
}

static int
trim_live(struct source *s, struct err *e)
{
    uint32_t cookie;
    bool done;

    if (trim_all(s, &done, e) != 0)
        return -1;
    database_rollback(s->live);
    if (done)
        return 0;
    if (!s->journal.too_many && !s->trim_settled)
        return trim_keys(s, e);
    /* Rows of another schema are for the next publish to look at. */
    if (database_schema_cookie(s->live, &cookie, e) != 0)
        return -1;
    return cookie == s->cookie ? trim_settled(s, e) : 0;
}

/* From here on the nonce before is that of an older file, after a restart too.
 * A failure costs nothing now: the row still names both. */
static void
retire_nonce(struct source *s)
{
    struct dataset_state next = s->state;
    struct err ignored = ERR_INIT;

    memcpy(next.nonce, next.nonce_next, ID_SIZE);
    if (memcmp(s->state.nonce, next.nonce, ID_SIZE) == 0)
        return;
    if (database_exec(s->published, "BEGIN IMMEDIATE", &ignored) == 0 &&
        state_write(s->published, &next, &ignored) == 0 &&
        database_exec(s->published, "COMMIT", &ignored) == 0)
        s->state = next;
    database_rollback(s->published);
}

/* An empty log lets readers see a file that is put over the live one as it is,
 * instead of mixed with the log of the old one. */
static void
empty_log(struct source *s)
{
    struct err ignored = ERR_INIT;
    bool complete;

    database_set_wait(s->live, 0);
    if (database_checkpoint(s->live, SQLITE_CHECKPOINT_TRUNCATE, &complete,
            &ignored) == 0 &&
        complete) {
        source_base_complete(s);
        s->unwritten = false;
    }
}

/* Whether there is a live file of ours to be seen to. */
static bool
is_ours(const struct source *s)
{
    return s->live != NULL && s->live_known && s->held == NULL &&
           !source_leaves_no_trace(s) && !source_live_moved(s);
}

int
source_trim(struct source *source, struct err *e)
{
    struct source *s = source;
    int r = 0;

    source_newest_release(s);
    if (!s->untrimmed || !is_ours(s))
        return 0;
    database_set_wait(s->live, SOURCE_TRIM_WAIT_MS);
    r = trim_live(s, e);
    database_rollback(s->live);
    if (r == 0 && !s->untrimmed)
        retire_nonce(s);
    source_make_room(s, false);
    database_set_wait(s->live, SOURCE_READ_WAIT_MS);
    return r;
}

/* Not the log of a file that another was put over since: there it would make
 * a mixture of both. */
static int
write_back_live(struct source *s, struct err *e)
{
    bool same = false;
    int r;

    database_set_wait(s->live, SOURCE_TRIM_WAIT_MS);
    r = begin(s, true, &same, e);
    database_rollback(s->live);
    if (r == 0 && same)
        empty_log(s);
    source_make_room(s, false);
    database_set_wait(s->live, SOURCE_READ_WAIT_MS);
    return r;
}

/* What is written back then is written over. */
static void
shorten_log(sqlite3 *db, int *pages)
{
    struct err ignored = ERR_INIT;
    bool complete;

    if (db == NULL || *pages <= LOG_PAGES_MAX)
        return;
    database_checkpoint(db, SQLITE_CHECKPOINT_PASSIVE, &complete, &ignored);
    *pages = 0;
}

int
source_write_back(struct source *source, struct err *e)
{
    struct source *s = source;
    struct err ignored = ERR_INIT;
    int r = 0;

    if (!s->untrimmed && s->unwritten && is_ours(s))
        r = write_back_live(s, e);
    if (s->state.revision - s->retained_revision >= RETAIN_EVERY) {
        history_retain(s, &ignored);
        s->retained_revision = s->state.revision;
    }
    shorten_log(s->published, &s->published_log_pages);
    shorten_log(s->history, &s->history_log_pages);
    return r;
}

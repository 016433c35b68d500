/*
 * All of a live file read, without keeping its writers out.  In the journal
 * modes without a log a reader's lock makes a writer wait, so it is let go
 * every few milliseconds; if nobody wrote meanwhile, reading goes on where it
 * was.  Else all that was read is of no use, and the publish begins anew,
 * holding on somewhat longer in the end.  A file that is too large for that,
 * and is written all the time, is left to a later publish: its writers come
 * first, until so many publishes were in vain that they have to wait for one.
 */
#include "sync/source_internal.h"

#include "base/clock.h"
#include "base/stop.h"
#include "sync/compare.h"
#include "sync/copy.h"
#include "sync/open.h"

/* A lock is let go after this long, first and in the end. */
#define SLICE_US 20000
#define LAST_SLICE_US 75000
/* A copy lets it go after so many pages. */
#define SLICE_PAGES 1024
/* Times that reading is begun, and those of them with short slices. */
#define TRIES 8
#define SHORT_TRIES 4
/* Publishes in vain, in a row, before one holds on to the lock. */
#define STARVED_MAX 3

static bool
makes_writers_wait(const struct source *s)
{
    return !database_has_log(s->live) && s->starved < STARVED_MAX;
}

static bool
pause_is_due(void *ctx)
{
    const struct source *s = ctx;
    int64_t slice_us = s->tries < SHORT_TRIES ? SLICE_US : LAST_SLICE_US;

    return clock_mono_us() - s->locked_us > slice_us;
}

static int
disturbed(struct source *s, struct err *e)
{
    s->disturbed = true;
    err_set(e, ERR_BUSY, "the live database was written to while it was read");
    err_hint(e, "It is tried again. If it never succeeds, let the programs "
                "that write there use PRAGMA journal_mode=WAL, or set capture "
                "= triggers for this dataset.");
    return -1;
}

int
source_live_resume(struct source *s, struct err *e)
{
    uint32_t version = s->seen_version;
    struct file_mark mark;

    if (source_live_read(s, e) != 0 || source_live_mark(s, &mark, e) != 0)
        return -1;
    return s->seen_version == version && source_same_mark(&mark, &s->seen_mark)
               ? 0
               : disturbed(s, e);
}

/* A writer that waits has shut out new readers already: it is next. */
static int
let_writers_in(void *ctx, struct err *e)
{
    struct source *s = ctx;

    source_live_end(s);
    return source_live_resume(s, e);
}

static int
compare_paced(struct source *s, const struct schema *live,
    struct change_set *set, size_t max_bytes, const struct compare_drain *drain,
    struct err *e)
{
    struct log_mark published;
    struct compare_how how = {
        .max_bytes = max_bytes,
        .old_log = &published,
        .new_log = &s->pinned,
        .pause_is_due = pause_is_due,
        .pause = let_writers_in,
        .ctx = s,
        .drain = drain,
    };

    if (!makes_writers_wait(s))
        how.pause_is_due = NULL;
    log_mark_read(s->published, &published);
    return compare_databases_how(s->published, s->schema, s->live, live, set,
        &how, e);
}

static int
compare(struct source *s, const struct schema *live, struct change_set *set,
    size_t max_bytes, const struct compare_drain *drain, struct err *e)
{
    bool own = sqlite3_get_autocommit(s->published) != 0;
    uint32_t ignored;
    int r = -1;

    if (own && database_exec(s->published, "BEGIN", e) != 0)
        return -1;
    /* A read begins the transaction; nobody else commits there. */
    if (database_schema_cookie(s->published, &ignored, e) == 0)
        r = compare_paced(s, live, set, max_bytes, drain, e);
    if (own)
        database_rollback(s->published);
    return r;
}

int
source_compare(struct source *s, const struct schema *live,
    struct change_set *set, size_t max_bytes, struct err *e)
{
    return compare(s, live, set, max_bytes, NULL, e);
}

int
source_compare_all(struct source *s, const struct schema *live,
    const struct compare_drain *drain, struct err *e)
{
    struct change_set set;
    int r;

    change_set_init(&set);
    r = compare(s, live, &set, SOURCE_CHANGES_MAX, drain, e);
    change_set_release(&set);
    return r;
}

/* SQLite lets the lock go between two steps, and begins anew by itself when
 * somebody wrote: then more is left than before. */
static int
copy_sliced(struct source *s, sqlite3 *to, struct err *e)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", s->live, "main");
    int rc = SQLITE_OK, left = 0;
    bool again = false;

    if (backup == NULL)
        return database_error(to, e, "could not begin to copy");
    while (rc == SQLITE_OK && !again && stop_check(e) == 0) {
        rc = sqlite3_backup_step(backup, SLICE_PAGES);
        again = left > 0 && sqlite3_backup_remaining(backup) >= left;
        left = sqlite3_backup_remaining(backup);
    }
    if (sqlite3_backup_finish(backup) != SQLITE_OK && e->code == ERR_NONE)
        return database_error(to, e, "could not copy");
    if (e->code != ERR_NONE)
        return -1;
    return again ? disturbed(s, e) : 0;
}

int
source_copy_pages(struct source *s, sqlite3 *db, struct err *e)
{
    if (!makes_writers_wait(s))
        return database_copy(db, s->live, e);
    source_live_end(s);
    return copy_sliced(s, db, e) != 0 ? -1 : source_live_resume(s, e);
}

bool
source_try_again(struct source *s)
{
    bool again = s->disturbed && s->tries + 1 < TRIES;

    if (!again)
        s->starved = s->disturbed ? s->starved + 1 : 0;
    if (!again && s->starved == STARVED_MAX)
        source_notice(s, "compare",
            "the live database is written to all the time; at the next publish "
            "its writers wait until it was read");
    s->disturbed = false;
    s->tries = again ? s->tries + 1 : 0;
    return again;
}

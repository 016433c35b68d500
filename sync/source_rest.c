/*
 * Between two looks nothing of ours holds a log (-wal) of another
 * application's: the connection is closed, and the head of the log's index
 * tells at the next look whether anybody committed.  It is what SQLite makes
 * data_version of, and its salts and checksums differ after each commit.
 */
#include "sync/source_internal.h"

#include <string.h>

#include "base/clock.h"
#include "sync/open.h"

/* Any log without frames looks like any other: a program may have come, written
 * the file and gone.  Then the file's times must say that it did not, and they
 * do if the last look was later than their grain. */
static bool
tells_apart(const struct source *s, const struct log_mark *mark)
{
    return log_mark_frames(mark) > 0 ||
           (s->mark.changed.tv_sec + 3) * INT64_C(1000) <= s->settled_at_ms;
}

static bool
same_log(const struct source *s, const struct log_mark *mark)
{
    return log_mark_same(mark, &s->log) && tells_apart(s, mark);
}

void
source_live_rest(struct source *s)
{
    bool known = s->live_known, older = s->maybe_older, replaced = s->replaced;

    source_live_end(s);
    if (!source_leaves_no_trace(s) || s->live == NULL ||
        !log_mark_is_set(&s->seen_log) || source_live_moved(s))
        return;
    source_live_close(s);
    s->live_known = known;
    s->maybe_older = older;
    s->replaced = replaced;
    s->at_rest = known;
}

void
source_live_wake(struct source *s)
{
    log_mark_read(s->live, &s->seen_log);
    s->looked_at_ms = clock_utc_ms();
    if (s->at_rest)
        s->data_version =
            same_log(s, &s->seen_log) ? s->seen_version : s->seen_version - 1;
    s->at_rest = false;
}

bool
source_live_stirred(struct source *s)
{
    struct err ignored = ERR_INIT;
    struct log_mark now;
    bool stirred = true;

    if (source_live_open(s, &ignored) == 0 &&
        source_live_read(s, &ignored) == 0) {
        log_mark_read(s->live, &now);
        stirred = !same_log(s, &now);
    }
    source_live_rest(s);
    return stirred;
}

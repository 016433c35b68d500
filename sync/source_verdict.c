/*
 * A publish that is held after its rows were collected would be collected again
 * at every interval, which for a mass deletion is a walk of the whole journal.
 * Nothing that is still as it was then can lead to another verdict.
 */
#include "sync/source_internal.h"

#include "sync/open.h"

/* The log as it was: only with frames in it is its head never seen twice. */
static bool
same_frames(const struct log_mark *a, const struct log_mark *b)
{
    return log_mark_frames(a) > 0 && log_mark_same(a, b);
}

void
source_verdict_keep(struct source *s, uint32_t cookie)
{
    s->verdict = (struct held_verdict){
        .kept = true,
        .connected = true,
        .data_version = s->seen_version,
        .cookie = cookie,
        .mark = s->seen_mark,
        .log = s->seen_log,
    };
}

void
source_verdict_drop(struct source *s)
{
    s->verdict.kept = false;
}

bool
source_verdict_stands(struct source *s)
{
    const struct held_verdict *v = &s->verdict;
    struct err ignored = ERR_INIT;
    uint32_t cookie;

    if (!v->kept || s->held == NULL ||
        !source_same_mark(&v->mark, &s->seen_mark))
        return false;
    /* data_version is a matter of one connection. */
    if (v->connected ? v->data_version != s->seen_version
                     : !same_frames(&v->log, &s->seen_log))
        return false;
    return database_schema_cookie(s->live, &cookie, &ignored) == 0 &&
           cookie == v->cookie;
}

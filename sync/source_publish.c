/*
 * A publish from beginning to end:
 *
 *   look at the live file (source_live.c), in one read transaction
 *   schema moved?  DDL in the published copy, or the copy made anew
 *   collect what changed (source_collect.c), guard against mass deletion
 *   apply it to the published copy, history durable, published copy durable
 *
 * The journal is trimmed later, by source_trim, so that publishing needs no
 * write lock on the live file.
 */
#include "sync/source_publish.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "sync/blocker.h"
#include "sync/open.h"

static int
begin_again(struct publish *p, struct err *e)
{
    source_live_end(p->s);
    return source_live_begin(p->s, p->accept, e) == LIVE_ERROR ? -1 : 0;
}

/* Loads the live schema and sees to the triggers, until both stand still under
 * one read transaction. */
static int
settle_schema(struct publish *p, struct err *e)
{
    struct source *s = p->s;
    struct schema *installed_for = NULL;
    bool installed, accept = p->accept;
    int r = -1;

    for (int i = 0; i < 5; i++) {
        if (source_load_live(s, &p->live_schema, e) != 0)
            goto out;
        if (installed_for != NULL &&
            memcmp(installed_for->hash, p->live_schema->hash, HASH_SIZE) == 0) {
            r = database_schema_cookie(s->live, &p->cookie, e);
            goto out;
        }
        source_live_end(s);
        if (source_live_install(s, p->live_schema, accept, &installed, e) != 0)
            goto out;
        accept = false;
        if (installed && s->must_compare == NULL)
            s->must_compare = "triggers were installed";
        schema_free(installed_for);
        installed_for = p->live_schema;
        p->live_schema = NULL;
        if (begin_again(p, e) != 0)
            goto out;
    }
    err_set(e, ERR_SCHEMA, "the schema changes all the time");
out:
    schema_free(installed_for);
    return r;
}

/* Another file under the same name may have the same cookie by chance; where we
 * may leave nothing in it, only its schema tells. */
static int
is_same_schema(struct publish *p, bool *same, struct err *e)
{
    const struct source *s = p->s;
    struct schema *found = NULL;

    *same = s->live_known && p->cookie == s->cookie && s->schema != NULL &&
            !p->accept;
    if (!*same || !source_leaves_no_trace(s))
        return 0;
    if (schema_load_selected(&found, s->live, s->config.selection, e) != 0)
        return -1;
    *same = memcmp(found->hash, s->schema->hash, HASH_SIZE) == 0;
    schema_free(found);
    return 0;
}

static int
read_schema(struct publish *p, struct err *e)
{
    struct source *s = p->s;
    bool same;

    if (database_schema_cookie(s->live, &p->cookie, e) != 0 ||
        is_same_schema(p, &same, e) != 0)
        return -1;
    if (same)
        return 0;
    if (s->must_compare == NULL && s->live_known && p->cookie != s->cookie)
        s->must_compare = "the schema changed";
    return settle_schema(p, e);
}

/* The state row of the revision to be; its nonce is the one that the live file
 * has now. */
static int
prepare_next(struct publish *p, struct err *e)
{
    struct source *s = p->s;
    uint64_t newest = s->state.revision;
    bool present;

    p->next = s->state;
    if (newest == 0 && history_newest(s, &newest, e) != 0)
        return -1;
    p->next.revision = newest + 1;
    p->next.changed_ms = clock_utc_ms();
    memcpy(p->next.writer, s->writer, ID_SIZE);
    if (source_leaves_no_trace(s)) {
        memset(p->next.nonce, 0, ID_SIZE);
        memset(p->next.nonce_next, 0, ID_SIZE);
        return 0;
    }
    if (capture_read_nonce(s->live, p->next.nonce, &present, e) != 0)
        return -1;
    source_new_nonce(p->next.revision, p->next.nonce_next);
    return 0;
}

/* What the journal held is published now, or needs no publishing. */
static void
keep_journal(struct publish *p)
{
    struct source *s = p->s;

    capture_keys_release(&s->journal);
    s->journal = p->c.journal;
    memset(&p->c.journal, 0, sizeof(p->c.journal));
    if (s->journal.count > 0 || s->journal.too_many || p->result->published)
        s->untrimmed = s->unwritten = true;
}

/* The same where the tables that its keys are of are loaded anew. */
static void
keep_no_keys(struct publish *p)
{
    bool too_many = p->c.journal.too_many;

    capture_keys_release(&p->c.journal);
    p->c.journal.too_many = too_many;
    keep_journal(p);
    p->s->trim_settled = !source_leaves_no_trace(p->s);
}

static int
rebuild(struct publish *p, const char *why, struct err *e)
{
    struct source *s = p->s;

    database_rollback(s->published);
    if (sqlite3_get_autocommit(s->live) != 0 && source_live_resume(s, e) != 0)
        return -1;
    if (p->has_ddl && source_undo_ddl(s, e) != 0)
        return -1;
    p->has_ddl = false;
    if (p->live_schema == NULL && source_load_live(s, &p->live_schema, e) != 0)
        return -1;
    if (!p->accept && source_guard_keys(s, p->live_schema, e) != 0)
        return -1;
    if (source_rebuild(s, &p->next, why, e) != 0)
        return -1;
    s->untrimmed = s->unwritten = true;
    p->result->published = true;
    p->result->changed_rows = s->state.rows;
    p->result->compared = true;
    p->result->compare_reason = "the published copy was made anew";
    keep_no_keys(p);
    return 0;
}

static void
report(struct publish *p)
{
    p->result->published = true;
    p->result->compared = p->c.compare_reason != NULL;
    p->result->compare_reason = p->c.compare_reason;
    if (p->c.compare_reason != NULL && p->next.revision > 1 &&
        !source_leaves_no_trace(p->s))
        source_notice(p->s, "compare", p->c.compare_reason);
}

/* Collects under one read transaction of the published copy: without it every
 * row that is looked up there takes and drops a lock of its own.  After DDL a
 * transaction is open already. */
static int
collect(struct publish *p, struct err *e)
{
    struct source *s = p->s;
    int r;

    if (p->has_ddl)
        return source_collect(s, &p->c, e);
    if (database_exec(s->published, "BEGIN", e) != 0)
        return -1;
    r = source_collect(s, &p->c, e);
    database_rollback(s->published);
    /* What follows needs no lock of another application's file. */
    if (r == 0 && source_leaves_no_trace(s))
        source_live_end(s);
    return r;
}

/* More than can be held in memory: pages are copied in place of rows. */
static int
publish_too_much(struct publish *p, struct err *e)
{
    struct source *s = p->s;
    bool lacks = false;

    change_set_release(&p->c.set);
    if (!p->accept && !p->has_ddl && s->nonce_before &&
        source_lacks_revision(s, s->state.revision, &lacks, e) != 0)
        return -1;
    if (lacks)
        return source_hold_older(s, "before", s->state.revision, e);
    return rebuild(p, "a revision too large to be sent row by row", e);
}

static int
publish_rows(struct publish *p, struct err *e)
{
    struct source *s = p->s;
    bool rebuild_it = false;
    struct err ignored;

    if (collect(p, e) != 0) {
        if (e->code != ERR_INVALID)
            return -1;
        err_clear(e);
        return publish_too_much(p, e);
    }
    if (!p->has_ddl && p->c.set.count == 0 && !p->c.specials_changed) {
        keep_journal(p);
        return 0;
    }
    if (!p->accept && (source_guard_newest(s, &p->c, e) != 0 ||
                          source_guard(s, &p->c.set, e) != 0))
        return -1;
    if (publish_apply(p, &rebuild_it, e) == 0) {
        report(p);
        keep_journal(p);
        return 0;
    }
    if (!rebuild_it)
        return -1;
    ignored = *e;
    err_clear(e);
    /* Started afresh: the digest in NEXT may have moved. */
    p->next.digest = s->state.digest;
    return rebuild(p, ignored.message, e);
}

/* A renamed table would be sent whole, because the selection names the old. */
static int
guard_protected(struct publish *p, struct err *e)
{
    struct source *s = p->s;

    for (size_t i = 0; i < s->schema->table_count; i++) {
        const struct table *t = &s->schema->tables[i];

        if ((t->kept_count == 0 && t->filter == NULL) ||
            schema_find_table(p->live_schema, t->name) != NULL)
            continue;
        source_hold(s,
            "table \"%s\", of which a part is protected, is gone; if it was "
            "renamed, name it anew in \"protect\" and \"protect_rows\"",
            t->name);
        return source_held_error(s, e);
    }
    return 0;
}

static int
publish_with_ddl(struct publish *p, struct err *e)
{
    struct source *s = p->s;
    bool same;

    if (!p->accept && guard_protected(p, e) != 0)
        return -1;

    if (!p->accept && source_guard_counts(s, p->live_schema, e) != 0)
        return -1;
    p->ddl.next = &p->next;
    if (database_exec(s->published, "BEGIN IMMEDIATE", e) != 0 ||
        source_repeat_ddl(s, p->live_schema, &p->ddl, &same, e) != 0)
        return -1;
    if (!same)
        return rebuild(p, p->ddl.why, e);
    p->has_ddl = true;
    if (s->must_compare == NULL)
        s->must_compare = "the schema changed";
    return publish_rows(p, e);
}

static int
publish_collected(struct publish *p, struct err *e)
{
    struct source *s = p->s;

    if (read_schema(p, e) != 0 ||
        (p->live_schema != NULL &&
            source_check_writable(s, p->live_schema, e) != 0) ||
        prepare_next(p, e) != 0)
        return -1;
    if (s->published == NULL || s->schema == NULL)
        return rebuild(p, "the published copy was missing or damaged", e);
    if (source_selects_anew(s))
        return rebuild(p, "what is protected or left out was changed", e);
    if (p->live_schema != NULL &&
        memcmp(p->live_schema->hash, s->schema->hash, HASH_SIZE) != 0)
        return publish_with_ddl(p, e);
    return publish_rows(p, e);
}

/* A published copy that could not be opened after a publish that failed, or in
 * the middle of one that made it anew, is not missing. */
static int
open_again(struct source *s, struct err *e)
{
    bool usable;

    if (s->published != NULL)
        return 0;
    if (source_open_published(s, &usable, e) != 0)
        return -1;
    if (usable)
        s->must_compare = "the published copy was opened anew";
    return 0;
}

static int
publish_changed(struct publish *p, struct err *e)
{
    if (!p->accept && source_verdict_stands(p->s))
        return source_held_error(p->s, e);
    if (publish_collected(p, e) == 0)
        return 0;
    if (e->code == ERR_HELD)
        source_verdict_keep(p->s, p->cookie);
    return -1;
}

/* The published copy is as it was; so must be our idea of it. */
static void
abandon(struct publish *p)
{
    struct source *s = p->s;
    struct err ignored = ERR_INIT;

    database_rollback(s->published);
    s->live_known = false;
    if (!p->has_ddl)
        return;
    source_close_published(s);
    /* A disk that failed the publish may fail this too: the next one sees. */
    open_again(s, &ignored);
}

static int
publish_once(struct source *s, bool accept, struct publish_result *result,
    struct err *e)
{
    struct publish p = { .s = s, .accept = accept, .result = result };
    enum live_look look;
    int r = -1;

    memset(result, 0, sizeof(*result));
    if (s->config.off)
        return source_refuse_off(s, e);
    look = open_again(s, e) == 0 ? source_live_begin(s, accept, e) : LIVE_ERROR;
    if (look == LIVE_SAME)
        r = 0;
    else if (look == LIVE_CHANGED)
        r = publish_changed(&p, e);
    if (r != 0) {
        source_live_blame(s, e);
        if (e->code == ERR_BUSY && !s->disturbed)
            blocker_explain(s->config.live_path, e);
        abandon(&p);
    } else if (look == LIVE_CHANGED) {
        if (s->auditing || result->compared)
            s->unaudited = false;
        else if (s->seen_version != s->data_version)
            s->unaudited = true;
        s->live_known = true;
        s->mark = s->seen_mark;
        s->data_version = s->seen_version;
        s->cookie = p.cookie;
        s->must_compare = NULL;
        source_older_settled(s);
        free(s->held);
        s->held = NULL;
        source_verdict_drop(s);
        authors_published(s->authors);
    }
    source_make_room(s, false);
    source_live_rest(s);
    collection_release(&p.c);
    buf_release(&p.ddl.ddl);
    schema_free(p.live_schema);
    if (r != 0 && e->code != ERR_HELD)
        err_wrap(e, "could not publish dataset \"%s\"", s->config.name);
    result->state = s->state;
    return r;
}

int
source_publish_now(struct source *s, bool accept, struct publish_result *result,
    struct err *e)
{
    int r;

    s->disturbed = false;
    for (;;) {
        r = publish_once(s, accept, result, e);
        if (!source_try_again(s))
            return r;
        err_clear(e);
    }
}

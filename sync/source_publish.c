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
#include "sync/source_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "sync/blocker.h"
#include "sync/open.h"

/* One publish under way. */
struct publish {
    struct source *s;
    bool accept;
    struct schema *live_schema; /* NULL: as before */
    uint32_t cookie;
    struct dataset_state next;
    struct collection c;
    struct ddl_attempt ddl;
    bool has_ddl;
    struct publish_result *result;
};

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
    if (!p->accept && source_guard_counts(s, p->live_schema, e) != 0)
        return -1;
    if (source_rebuild(s, &p->next, why, e) != 0)
        return -1;
    s->untrimmed = true;
    p->result->published = true;
    p->result->changed_rows = s->state.rows;
    p->result->compared = true;
    p->result->compare_reason = "the published copy was made anew";
    return 0;
}

static void
add_to_digest(struct publish *p)
{
    struct hasher *h = hasher_new();
    uint8_t hash[HASH_SIZE];

    for (size_t i = 0; i < p->c.set.count; i++) {
        const struct change *c = &p->c.set.items[i];

        if (c->old_row != NULL) {
            digest_row_hash(h, c->table, c->old_key, c->old_key_len, c->old_row,
                c->old_row_len, hash);
            digest_sub_hash(&p->next.digest, hash);
            p->next.rows--;
        }
        if (c->new_row != NULL) {
            digest_row_hash(h, c->table, c->new_key, c->new_key_len, c->new_row,
                c->new_row_len, hash);
            digest_add_hash(&p->next.digest, hash);
            p->next.rows++;
        }
    }
    hasher_free(h);
}

/* Rows inserted into an AUTOINCREMENT table move sqlite_sequence by
 * themselves, perhaps elsewhere than in the live file. */
static bool
touches_sequence(const struct publish *p)
{
    for (size_t i = 0; i < p->c.set.table_count; i++) {
        const struct table *t =
            schema_find_table(p->s->schema, p->c.set.tables[i]);

        if (t != NULL && t->autoincrement)
            return true;
    }
    return false;
}

static int
apply_specials(struct publish *p, struct err *e)
{
    struct digest old, new;

    digest_zero(&old);
    digest_zero(&new);
    if (specials_digest(p->s->specials.data, p->s->specials.len, &old, e) !=
            0 ||
        specials_digest(p->c.specials.data, p->c.specials.len, &new, e) != 0)
        return -1;
    digest_sub_hash(&p->next.digest, old.sum);
    digest_add_hash(&p->next.digest, new.sum);
    return specials_write(p->s->published, &p->s->schema->selection,
        p->c.specials.data, p->c.specials.len, e);
}

static void
count_kinds(const struct change_set *set, struct history_entry *h)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct change *c = &set->items[i];

        h->added += c->old_row == NULL;
        h->removed += c->new_row == NULL;
    }
    h->changed = set->count - h->added - h->removed;
}

/* History first, then the published copy: a history entry alone is discarded,
 * a published revision without its history could never be sent. */
static int
commit(struct publish *p, bool specials, struct err *e)
{
    struct source *s = p->s;
    struct buf changes = BUF_INIT;
    struct history_entry h = {
        .revision = p->next.revision,
        .made_ms = p->next.changed_ms,
        .rows = p->c.set.count,
        .total = p->next.rows,
        .digest_before = s->state.digest,
        .digest_after = p->next.digest,
        .ddl = p->has_ddl ? &p->ddl.ddl : NULL,
        .specials = specials ? &p->c.specials : NULL,
        .compared = p->c.compare_reason != NULL,
        .reason = p->c.compare_reason,
    };
    char *who = authors_of(s->authors, &p->c.set, &p->c.journal);
    int r = -1;

    h.who = who;
    count_kinds(&p->c.set, &h);
    memcpy(h.schema_before, s->state.schema_hash, HASH_SIZE);
    memcpy(h.schema_after, p->next.schema_hash, HASH_SIZE);
    if (p->c.set.bytes <= SOURCE_CHANGES_MAX) {
        change_set_encode(&p->c.set, &changes);
        h.changes = &changes;
    }
    if (state_write(s->published, &p->next, e) != 0 ||
        history_add(s, &h, e) != 0)
        goto out;
    if (database_exec(s->published, "COMMIT", e) != 0) {
        struct err ignored = ERR_INIT;

        history_discard_above(s, s->state.revision, &ignored);
        goto out;
    }
    if (h.changes == NULL)
        source_notice(s, "overwrite-needed",
            "a revision too large to be sent row by row");
    r = 0;
out:
    buf_release(&changes);
    free(who);
    return r;
}

/* Rows first in place, then, if a UNIQUE value moves, the long way.  A
 * savepoint between would cost a journal file each time; beginning anew is
 * rare, and not possible after DDL. */
static int
apply_rows(struct publish *p, struct err *e)
{
    struct source *s = p->s;
    struct err own = ERR_INIT;

    if (p->has_ddl)
        return source_apply(s, &p->c.set, false, e);
    if (database_exec(s->published, "BEGIN IMMEDIATE", e) != 0)
        return -1;
    if (source_apply(s, &p->c.set, true, &own) == 0)
        return 0;
    if (own.code != ERR_INVALID) {
        *e = own;
        return -1;
    }
    database_rollback(s->published);
    if (database_exec(s->published, "BEGIN IMMEDIATE", e) != 0)
        return -1;
    return source_apply(s, &p->c.set, false, e);
}

/* Takes the set over. */
static void
keep_newest(struct publish *p, bool specials)
{
    struct newest_changes *newest = &p->s->newest;

    source_newest_release(p->s);
    if (p->has_ddl || p->c.set.bytes > SOURCE_NEWEST_MAX)
        return;
    newest->revision = p->next.revision;
    newest->set = p->c.set;
    newest->digest_before = p->s->state.digest;
    newest->specials = specials;
    change_set_init(&p->c.set);
}

/* After DDL: rows that were moved inside the file, or that no longer fit their
 * columns' types, may have become something else. */
static int
prove_rows(struct publish *p, struct err *e)
{
    struct source *s = p->s;
    struct change_set left = { 0 };
    int r = source_compare(s, s->schema, &left, 1, e);

    if (left.count > 0) {
        err_clear(e);
        r = err_set(e, ERR_INVALID,
            "rows of table \"%s\" cannot be written as they are",
            left.items[0].table);
    }
    change_set_release(&left);
    return r;
}

/* Applies what was collected; *REBUILD is set when the published copy cannot
 * take it. */
static int
apply(struct publish *p, bool *rebuild_it, struct err *e)
{
    struct source *s = p->s;
    bool specials = p->has_ddl || p->c.specials_changed || touches_sequence(p);

    if (apply_rows(p, e) != 0 || (p->has_ddl && prove_rows(p, e) != 0)) {
        *rebuild_it = e->code == ERR_INVALID || e->code == ERR_CORRUPT;
        return -1;
    }
    add_to_digest(p);
    if ((specials && apply_specials(p, e) != 0) ||
        source_older_check(s, &p->next.digest, p->next.schema_hash, e) != 0 ||
        commit(p, specials, e) != 0)
        return -1;
    p->result->changed_rows = p->c.set.count;
    keep_newest(p, specials);
    s->state = p->next;
    if (specials) {
        buf_clear(&s->specials);
        buf_put(&s->specials, p->c.specials.data, p->c.specials.len);
    }
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

/* What the journal held is published now, or needs no publishing. */
static void
keep_journal(struct publish *p)
{
    struct source *s = p->s;

    capture_keys_release(&s->journal);
    s->journal = p->c.journal;
    memset(&p->c.journal, 0, sizeof(p->c.journal));
    if (s->journal.count > 0 || p->result->published)
        s->untrimmed = true;
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
        return rebuild(p, "more changes than a compare can hold", e);
    }
    if (!p->has_ddl && p->c.set.count == 0 && !p->c.specials_changed) {
        keep_journal(p);
        return 0;
    }
    if (!p->accept && (source_guard_newest(s, &p->c, e) != 0 ||
                          source_guard(s, &p->c.set, e) != 0))
        return -1;
    if (apply(p, &rebuild_it, e) == 0) {
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
    bool usable;

    database_rollback(s->published);
    s->live_known = false;
    if (!p->has_ddl)
        return;
    source_close_published(s);
    if (source_open_published(s, &usable, &ignored) != 0 || !usable)
        s->must_compare = "the published copy could not be read";
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
    look = source_live_begin(s, accept, e);
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

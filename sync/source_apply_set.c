/*
 * What was collected, put into the published copy: rows, digest, history.
 */
#include "sync/source_publish.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "sync/open.h"

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
digest_specials(struct publish *p, struct err *e)
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
    return 0;
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

/* So many rows are worth a thread. */
#define BESIDE_MIN 64

/* The entry of history on its way to the disk. */
struct entry {
    struct publish *p;
    struct history_entry h;
    struct buf changes;
    char *who;
    bool beside; /* THREAD writes it */
    pthread_t thread;
    bool written;
    int result;
    struct err err;
};

static void *
entry_write(void *arg)
{
    struct entry *n = arg;

    change_set_encode(&n->p->c.set, &n->changes);
    n->h.changes = &n->changes;
    n->result = history_add(n->p->s, &n->h, &n->err);
    n->written = true;
    return NULL;
}

/* Many rows are written to history while they are to the published copy. */
static void
entry_begin(struct entry *n, struct publish *p, bool specials)
{
    struct source *s = p->s;

    *n = (struct entry){ .p = p };
    n->who = authors_of(s->authors, &p->c.set, &p->c.journal);
    n->h = (struct history_entry){
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
        .who = n->who,
    };
    count_kinds(&p->c.set, &n->h);
    memcpy(n->h.schema_before, s->state.schema_hash, HASH_SIZE);
    memcpy(n->h.schema_after, p->next.schema_hash, HASH_SIZE);
    n->beside = !p->has_ddl && p->c.set.count >= BESIDE_MIN &&
                pthread_create(&n->thread, NULL, entry_write, n) == 0;
}

/* Durable, or E says why not. */
static int
entry_end(struct entry *n, struct err *e)
{
    if (n->beside)
        pthread_join(n->thread, NULL);
    else
        entry_write(n);
    n->beside = false;
    if (n->result != 0)
        *e = n->err;
    return n->result;
}

/* DONE: its revision is published; else it goes again. */
static void
entry_release(struct entry *n, bool done)
{
    struct source *s = n->p->s;
    struct err ignored = ERR_INIT;

    if (n->beside)
        pthread_join(n->thread, NULL);
    if (!done && n->written && n->result == 0)
        history_discard_above(s, s->state.revision, &ignored);
    buf_release(&n->changes);
    free(n->who);
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

/* Many pages go to the log already while history goes to the disk; what is
 * wrong with them the commit says. */
static void
write_ahead(struct publish *p, const struct entry *n)
{
    if (n->beside)
        sqlite3_db_cacheflush(p->s->published);
}

/* History first, then the published copy: a history entry alone is discarded,
 * a published revision without its history could never be sent. */
static int
make_durable(struct publish *p, struct entry *n, bool specials, struct err *e)
{
    struct source *s = p->s;

    if ((specials && specials_write(s->published, &s->schema->selection,
                         p->c.specials.data, p->c.specials.len, e) != 0) ||
        state_write(s->published, &p->next, e) != 0)
        return -1;
    write_ahead(p, n);
    if (entry_end(n, e) != 0)
        return -1;
    return database_exec(s->published, "COMMIT", e);
}

int
publish_apply(struct publish *p, bool *rebuild_it, struct err *e)
{
    struct source *s = p->s;
    bool specials = p->has_ddl || p->c.specials_changed || touches_sequence(p);
    struct entry entry;
    int r;

    add_to_digest(p);
    if ((specials && digest_specials(p, e) != 0) ||
        source_older_check(s, &p->next.digest, p->next.schema_hash, e) != 0)
        return -1;
    entry_begin(&entry, p, specials);
    if (apply_rows(p, e) != 0 || (p->has_ddl && prove_rows(p, e) != 0)) {
        *rebuild_it = e->code == ERR_INVALID || e->code == ERR_CORRUPT;
        r = -1;
    } else {
        r = make_durable(p, &entry, specials, e);
    }
    entry_release(&entry, r == 0);
    if (r != 0)
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

/*
 * What somebody lacks who is at an older revision: the changes that history
 * holds since, each key once, as it was and as it is published.
 */
#include "sync/source_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/open.h"

/* Keys that a difference along history remembers, so as to give each once; what
 * more there is is counted only. */
#define CHAIN_KEYS_MAX 100000

/* The keys that were dealt with: table name, NUL, key tuple. */
struct seen_key {
    uint8_t *bytes;
    size_t len;
};

struct seen {
    struct seen_key *slots; /* open addressing; SIZE is a power of two */
    size_t size;
    size_t count;
};

static size_t
slot_of(const struct seen *s, const uint8_t *bytes, size_t len)
{
    uint64_t h = 14695981039346656037ull;
    size_t slot;

    for (size_t i = 0; i < len; i++)
        h = (h ^ bytes[i]) * 1099511628211ull;
    slot = (size_t)(h ^ (h >> 32)) & (s->size - 1);
    while (s->slots[slot].bytes != NULL &&
           (s->slots[slot].len != len ||
               memcmp(s->slots[slot].bytes, bytes, len) != 0))
        slot = (slot + 1) & (s->size - 1);
    return slot;
}

static void
seen_grow(struct seen *s)
{
    struct seen bigger = { .size = s->size == 0 ? 64 : s->size * 2,
        .count = s->count };

    bigger.slots = alloc_zeroed(bigger.size, sizeof(*bigger.slots));
    for (size_t i = 0; i < s->size; i++)
        if (s->slots[i].bytes != NULL)
            bigger.slots[slot_of(&bigger, s->slots[i].bytes, s->slots[i].len)] =
                s->slots[i];
    free(s->slots);
    *s = bigger;
}

/* True when the key is new; it is noted then. */
static bool
seen_add(struct seen *s, const char *table, const uint8_t *key, size_t len)
{
    struct buf b = BUF_INIT;
    struct seen_key *slot;

    if (s->count * 2 >= s->size)
        seen_grow(s);
    buf_put(&b, table, strlen(table) + 1);
    buf_put(&b, key, len);
    slot = &s->slots[slot_of(s, b.data, b.len)];
    if (slot->bytes != NULL) {
        buf_release(&b);
        return false;
    }
    slot->bytes = buf_steal(&b, &slot->len);
    s->count++;
    return true;
}

static void
seen_release(struct seen *s)
{
    for (size_t i = 0; i < s->size; i++)
        free(s->slots[i].bytes);
    free(s->slots);
}

/* The net difference of a chain of revisions under way. */
struct chain_diff {
    struct source *s;
    const struct diff_sink *sink;
    struct shapes now;
    struct seen seen;
    struct buf key, row; /* as published */
    uint64_t more;       /* changes not given */
};

/* Gives one key: as it was before the chain, and as it is published. */
static int
give_key(struct chain_diff *d, const struct change *was,
    const struct shape *old, const uint8_t *key, size_t key_len, struct err *e)
{
    const struct table *t = schema_find_table(d->s->schema, was->table);
    struct change c = { .table = was->table };
    int found = 0;

    if (t != NULL && t->unsupported == NULL)
        found =
            source_find_row(d->s, t, false, key, key_len, &d->key, &d->row, e);
    if (found < 0)
        return -1;
    if (found == ROW_TOO_LARGE)
        return d->sink->large(d->sink->ctx, was->old_key != NULL ? '~' : '+',
            t->name, key, key_len, shapes_find(&d->now, t->name), e);
    /* The same key in other bytes is an entry of its own. */
    if (found == 1 &&
        (d->key.len != key_len || memcmp(d->key.data, key, key_len) != 0))
        found = 0;
    if (was->old_key != NULL) {
        c.old_key = was->old_key;
        c.old_key_len = was->old_key_len;
        c.old_row = was->old_row;
        c.old_row_len = was->old_row_len;
    }
    if (found == 1) {
        c.new_key = d->key.data;
        c.new_key_len = d->key.len;
        c.new_row = d->row.data;
        c.new_row_len = d->row.len;
    }
    if ((c.old_row == NULL && c.new_row == NULL) ||
        (c.old_row != NULL && c.new_row != NULL &&
            c.old_row_len == c.new_row_len &&
            memcmp(c.old_row, c.new_row, c.new_row_len) == 0))
        return 0;
    return d->sink->row(d->sink->ctx, &c, old, shapes_find(&d->now, c.table),
        e);
}

static int
give_change(struct chain_diff *d, const struct history_rows *rows,
    const struct change *c, struct err *e)
{
    const struct shape *old = shapes_find(&rows->before, c->table);
    struct change added = { .table = c->table };

    if (d->seen.count >= CHAIN_KEYS_MAX) {
        d->more++;
        return 0;
    }
    if (old == NULL)
        old = shapes_find(&rows->after, c->table);
    if (c->old_key != NULL &&
        seen_add(&d->seen, c->table, c->old_key, c->old_key_len) &&
        give_key(d, c, old, c->old_key, c->old_key_len, e) != 0)
        return -1;
    if (c->new_key != NULL &&
        seen_add(&d->seen, c->table, c->new_key, c->new_key_len))
        return give_key(d, &added, old, c->new_key, c->new_key_len, e);
    return 0;
}

static int
give_revision(struct chain_diff *d, uint64_t revision, struct err *e)
{
    struct history_rows rows = { .whole = false };
    int r = history_entry_read(d->s, revision, &rows, d->sink, NULL, e);

    for (size_t i = 0; r == 0 && i < rows.set.count; i++)
        r = give_change(d, &rows, &rows.set.items[i], e);
    history_rows_release(&rows);
    return r;
}

/* What cannot be shown row by row. */
static int
whole_instead(struct diff_summary *summary, struct err *e)
{
    summary->whole = true;
    snprintf(summary->why, sizeof(summary->why), "%.200s", e->message);
    err_clear(e);
    return 0;
}

int
source_difference(struct source *source, uint64_t revision,
    const struct digest *digest, const struct diff_sink *sink,
    struct diff_summary *summary, struct err *e)
{
    struct chain_diff d = { .s = source, .sink = sink };
    bool known, chained;
    int r = 0;

    memset(summary, 0, sizeof(*summary));
    summary->from_revision = revision;
    summary->to_revision = source->state.revision;
    if (source->published == NULL)
        return err_set(e, ERR_NOT_FOUND, "nothing is published yet");
    if (source_knows(source, revision, digest, &known, &chained, e) != 0)
        return -1;
    if (!chained) {
        summary->whole = true;
        summary->total = source->state.rows;
        snprintf(summary->why, sizeof(summary->why), "%s",
            revision == 0 ? "it holds nothing yet"
            : known       ? "history does not lead from what it holds"
                          : "it holds what this primary never made");
        return 0;
    }
    shapes_of_schema(&d.now, source->schema);
    for (uint64_t i = revision + 1; r == 0 && i <= source->state.revision; i++)
        r = give_revision(&d, i, e);
    summary->more = d.more;
    if (r != 0 && e->code == ERR_INVALID)
        r = whole_instead(summary, e);
    seen_release(&d.seen);
    shapes_release(&d.now);
    buf_release(&d.key);
    buf_release(&d.row);
    return r;
}

int
source_revision_at(struct source *source, int64_t utc_ms, uint64_t *revision,
    struct digest *digest, struct err *e)
{
    sqlite3_stmt *stmt;
    int rc;

    *revision = 0;
    digest_zero(digest);
    if (database_prepare(source->history,
            "SELECT revision,digest_after FROM history WHERE made_ms<?1"
            " ORDER BY revision DESC LIMIT 1",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_int64(stmt, 1, utc_ms);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW && sqlite3_column_bytes(stmt, 1) == HASH_SIZE) {
        *revision = (uint64_t)sqlite3_column_int64(stmt, 0);
        memcpy(digest->sum, sqlite3_column_blob(stmt, 1), HASH_SIZE);
    }
    sqlite3_finalize(stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return database_error(source->history, e, "could not read the history");
    return 0;
}

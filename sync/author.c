/*
 * Notes of who changed which row, from the journal's counters.
 */
#include "sync/author.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "sync/open.h"
#include "sync/value.h"

/* A journal beyond this is not read, and no more notes are kept. */
#define MARKS_MAX 10000
#define NAMES_MAX 8

struct note {
    uint8_t *key;
    size_t key_len;
    int64_t counter;
    size_t name;    /* index */
    bool confirmed; /* the journal's row is as that author left it */
};

struct authors {
    struct note *notes;
    size_t count;
    size_t sorted; /* the first so many are in order of their keys */
    char *names[NAMES_MAX];
    size_t name_count;
    bool incomplete; /* notes are missing: too many, or before our start */
};

static int
compare_bytes(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    size_t shorter = a_len < b_len ? a_len : b_len;
    int order = memcmp(a, b, shorter);

    return order != 0 ? order : a_len < b_len ? -1 : a_len > b_len;
}

static int
compare_marks(const void *a, const void *b)
{
    const struct author_mark *x = a, *y = b;

    return compare_bytes(x->key, x->key_len, y->key, y->key_len);
}

static int
compare_notes(const void *a, const void *b)
{
    const struct note *x = a, *y = b;

    return compare_bytes(x->key, x->key_len, y->key, y->key_len);
}

static void
add_mark(struct author_marks *m, sqlite3_stmt *stmt, int columns)
{
    struct buf key = BUF_INIT;
    struct author_mark *mark;
    const unsigned char *table = sqlite3_column_text(stmt, 0);

    if (table == NULL)
        return;
    buf_put(&key, table, strlen((const char *)table) + 1);
    for (int i = 2; i < columns - 1; i++)
        value_put_column(&key, stmt, i);
    m->items = alloc_resize(m->items, m->count + 1, sizeof(*m->items));
    mark = &m->items[m->count++];
    mark->counter = sqlite3_column_int64(stmt, columns - 1);
    mark->key = buf_steal(&key, &mark->key_len);
}

static int
read_journal(struct author_marks *m, sqlite3 *db, const char *journal,
    struct err *e)
{
    char *name = sql_quote_name(journal);
    char *sql = alloc_format("SELECT (SELECT name FROM main._lockstep_tables"
                             " WHERE id=j.t),j.* FROM main.%s AS j LIMIT %d",
        name, MARKS_MAX + 1);
    sqlite3_stmt *stmt = NULL;
    int rc = SQLITE_DONE, r = database_prepare(db, sql, &stmt, e);

    while (r == 0 && !m->too_many && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        m->too_many = m->count >= MARKS_MAX;
        add_mark(m, stmt, sqlite3_data_count(stmt));
    }
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        r = database_error(db, e, "could not read the journal");
    sqlite3_finalize(stmt);
    free(sql);
    free(name);
    return r;
}

int
author_marks_read(struct author_marks *m, sqlite3 *db, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = SQLITE_DONE;
    int r = database_prepare(db,
        "SELECT name FROM main.sqlite_schema WHERE type='table'"
        " AND name GLOB '_lockstep_journal[0-9]*'",
        &stmt, e);

    while (r == 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        r = read_journal(m, db, (const char *)sqlite3_column_text(stmt, 0), e);
    if (r == 0 && rc != SQLITE_DONE)
        r = database_error(db, e, "could not read the schema");
    sqlite3_finalize(stmt);
    if (m->count > 0)
        qsort(m->items, m->count, sizeof(*m->items), compare_marks);
    return r;
}

void
author_marks_release(struct author_marks *m)
{
    for (size_t i = 0; i < m->count; i++)
        free(m->items[i].key);
    free(m->items);
    memset(m, 0, sizeof(*m));
}

struct authors *
authors_new(void)
{
    struct authors *a = alloc_zeroed(1, sizeof(*a));

    a->incomplete = true;
    return a;
}

static void
forget(struct authors *a)
{
    for (size_t i = 0; i < a->count; i++)
        free(a->notes[i].key);
    free(a->notes);
    a->notes = NULL;
    a->count = a->sorted = 0;
    for (size_t i = 0; i < a->name_count; i++)
        free(a->names[i]);
    a->name_count = 0;
}

void
authors_free(struct authors *a)
{
    if (a == NULL)
        return;
    forget(a);
    free(a);
}

void
authors_published(struct authors *a)
{
    forget(a);
    a->incomplete = false;
}

static struct note *
find_note(struct authors *a, const uint8_t *key, size_t len)
{
    struct note wanted = { .key = (uint8_t *)(uintptr_t)key, .key_len = len };

    if (a->sorted == 0)
        return NULL;
    return bsearch(&wanted, a->notes, a->sorted, sizeof(*a->notes),
        compare_notes);
}

static bool
find_name(struct authors *a, const char *who, size_t *name)
{
    for (*name = 0; *name < a->name_count; (*name)++)
        if (strcmp(a->names[*name], who) == 0)
            return true;
    if (a->name_count == NAMES_MAX)
        return false;
    a->names[a->name_count++] = alloc_string(who);
    return true;
}

static void
add_note(struct authors *a, size_t name, const struct author_mark *m)
{
    struct note *note = find_note(a, m->key, m->key_len);

    if (note == NULL) {
        a->notes = alloc_resize(a->notes, a->count + 1, sizeof(*a->notes));
        note = &a->notes[a->count++];
        *note = (struct note){ .key = alloc_copy(m->key, m->key_len),
            .key_len = m->key_len };
    }
    note->counter = m->counter;
    note->name = name;
}

void
authors_note(struct authors *a, const char *who,
    const struct author_marks *before, const struct author_marks *after)
{
    size_t name;

    if (before->too_many || after->too_many || a->count > MARKS_MAX ||
        !find_name(a, who, &name)) {
        a->incomplete = true;
        return;
    }
    for (size_t i = 0, b = 0; i < after->count; i++) {
        const struct author_mark *m = &after->items[i];
        int order = -1;

        while (b < before->count &&
               (order = compare_marks(&before->items[b], m)) < 0)
            b++;
        if (b == before->count || order != 0 ||
            before->items[b].counter != m->counter)
            add_note(a, name, m);
    }
    if (a->count > a->sorted)
        qsort(a->notes, a->count, sizeof(*a->notes), compare_notes);
    a->sorted = a->count;
}

/* Which notes the journal bears out. */
static void
confirm(struct authors *a, const struct capture_keys *journal)
{
    struct buf key = BUF_INIT;

    for (size_t i = 0; i < a->count; i++)
        a->notes[i].confirmed = false;
    for (size_t i = 0; i < journal->count; i++) {
        const struct capture_key *k = &journal->items[i];
        struct note *note;

        buf_clear(&key);
        buf_put(&key, k->table->name, strlen(k->table->name) + 1);
        buf_put(&key, k->key, k->key_len);
        note = find_note(a, key.data, key.len);
        if (note != NULL)
            note->confirmed = note->counter == k->counter;
    }
    buf_release(&key);
}

static const struct note *
note_of(struct authors *a, const char *table, const uint8_t *key, size_t len)
{
    struct buf b = BUF_INIT;
    const struct note *note = NULL;

    if (key != NULL) {
        buf_put(&b, table, strlen(table) + 1);
        buf_put(&b, key, len);
        note = find_note(a, b.data, b.len);
    }
    buf_release(&b);
    return note;
}

char *
authors_of(struct authors *a, const struct change_set *set,
    const struct capture_keys *journal)
{
    bool known[NAMES_MAX] = { false };
    bool others = a->count == 0 || set->count == 0;
    struct buf text = BUF_INIT;
    size_t len;

    if (a->count > 0)
        confirm(a, journal);
    for (size_t i = 0; a->count > 0 && i < set->count; i++) {
        const struct change *c = &set->items[i];
        const struct note *note =
            note_of(a, c->table, c->new_key, c->new_key_len);

        if (note == NULL)
            note = note_of(a, c->table, c->old_key, c->old_key_len);
        if (note != NULL)
            known[note->name] = true;
        others = others || note == NULL || !note->confirmed;
    }
    if (others && a->incomplete)
        goto out;
    for (size_t i = 0; i < a->name_count; i++)
        if (known[i])
            buf_printf(&text, "%s%s", text.len > 0 ? ", " : "", a->names[i]);
    if (others)
        buf_printf(&text, "%soutside writer", text.len > 0 ? ", " : "");
out:
    return text.len > 0 ? (char *)buf_steal(&text, &len) : NULL;
}

/*
 * Who changed what, as far as it can be known: a command of our own looks at
 * the journal before and after its change, in its own transaction; what moved
 * in between is its doing.  When those rows are published, the revision names
 * it; rows that nobody noted are an outside writer's.
 *
 *     struct author_marks before = { 0 }, after = { 0 };
 *     author_marks_read(&before, db, &e);      // both within one
 *     ... the change ...                       // write transaction
 *     author_marks_read(&after, db, &e);
 *     authors_note(authors, "ann from 10.0.0.1", &before, &after);
 *
 * Notes live in memory: what was not published before the engine ended has no
 * known author.
 */
#ifndef SYNC_AUTHOR_H
#define SYNC_AUTHOR_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "sync/capture.h"
#include "sync/change.h"

/* One journal row: table name, NUL, key tuple; and its counter. */
struct author_mark {
    uint8_t *key;
    size_t key_len;
    int64_t counter;
};

/* The journal at one moment, sorted by key. */
struct author_marks {
    struct author_mark *items;
    size_t count;
    bool too_many; /* it is not all there */
};

/* Reads the journal of DB, which may have none. */
int author_marks_read(struct author_marks *m, sqlite3 *db, struct err *e);
void author_marks_release(struct author_marks *m);

struct authors;
struct authors *authors_new(void);
void authors_free(struct authors *a);
/* Notes that WHO did what differs between the two. */
void authors_note(struct authors *a, const char *who,
    const struct author_marks *before, const struct author_marks *after);
/* Who made the changes of SET, with the journal as it was read for it, as a
 * fresh text ("ann from 10.0.0.1, outside writer"); NULL when that is not
 * known. */
char *authors_of(struct authors *a, const struct change_set *set,
    const struct capture_keys *journal);
/* All that was noted is published; from now on what nobody noted is an outside
 * writer's. */
void authors_published(struct authors *a);

#endif

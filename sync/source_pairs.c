/*
 * Rows looked up by many keys, as they are published and as they are now: two
 * files, two connections, two threads.  One batch at a time, so that only its
 * rows are held.
 */
#include "sync/source_internal.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"

/* Fewer are looked up sooner than a thread begins. */
#define ALONE_MAX 64
/* Rows of one batch, and the bytes on one side after which it ends. */
#define BATCH_ROWS 1024
#define BATCH_BYTES ((size_t)1 << 20)

struct row_pairs {
    struct row_pair items[BATCH_ROWS];
};

/* One file's rows of a batch. */
struct side {
    struct source *s;
    const struct capture_key *const *keys;
    size_t count;
    struct row_pairs *pairs;
    bool live;
    size_t done;
    int result;
    struct err err;
};

struct row_pairs *
row_pairs_new(void)
{
    return alloc_zeroed(1, sizeof(struct row_pairs));
}

void
row_pairs_free(struct row_pairs *pairs)
{
    if (pairs == NULL)
        return;
    for (size_t i = 0; i < BATCH_ROWS; i++)
        row_pair_release(&pairs->items[i]);
    free(pairs);
}

const struct row_pair *
row_pairs_get(const struct row_pairs *pairs, size_t i)
{
    return &pairs->items[i];
}

static void *
look_up(void *arg)
{
    struct side *side = arg;
    size_t bytes = 0;

    while (side->done < side->count && bytes < BATCH_BYTES) {
        const struct capture_key *k = side->keys[side->done];
        struct row_pair *p = &side->pairs->items[side->done];
        struct buf *key = side->live ? &p->new_key : &p->old_key;
        struct buf *row = side->live ? &p->new_row : &p->old_row;
        int found = source_find_row(side->s, k->table, side->live, k->key,
            k->key_len, key, row, &side->err);

        *(side->live ? &p->new : &p->old) = found;
        side->result = found < 0 ? -1 : 0;
        if (found < 0)
            break;
        bytes += row->len;
        side->done++;
    }
    return NULL;
}

int
source_find_pairs(struct source *s, const struct capture_key *const *keys,
    size_t count, struct row_pairs *pairs, size_t *done, struct err *e)
{
    struct side old = { .s = s,
        .keys = keys,
        .count = count < BATCH_ROWS ? count : BATCH_ROWS,
        .pairs = pairs };
    struct side new = old;
    const struct side *failed;
    pthread_t thread;

    new.live = true;
    if (count > ALONE_MAX &&
        pthread_create(&thread, NULL, look_up, &old) == 0) {
        look_up(&new);
        pthread_join(thread, NULL);
    } else {
        look_up(&old);
        look_up(&new);
    }
    *done = old.done < new.done ? old.done : new.done;
    failed = old.result != 0 ? &old : &new;
    if (failed->result != 0)
        *e = failed->err;
    return failed->result;
}

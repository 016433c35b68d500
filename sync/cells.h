/*
 * The rows of a rowid table in the order of their rowids, as the bytes that
 * SQLite stores: a cursor over the table's pages.  Bytes that are equal in two
 * tables of one definition mean equal rows; others may still.
 *
 * https://www.sqlite.org/fileformat.html sections 1.6 and 2.1
 */
#ifndef SYNC_CELLS_H
#define SYNC_CELLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "sync/pages.h"

struct cells;

struct cell {
    int64_t rowid;
    uint64_t len; /* of the record, in all */
    const uint8_t *local;
    uint32_t local_len;
    uint32_t overflow; /* the page where the rest begins, or 0 */
};

/* PAGES stay the caller's. */
struct cells *cells_open(struct pages *pages, uint32_t root_page);
void cells_close(struct cells *c);
/* The current row; NULL at the end, and when the pages are not as they should
 * be (then cells_failed). */
const struct cell *cells_get(const struct cells *c);
void cells_next(struct cells *c);
bool cells_failed(const struct cells *c);
/* Steps both over the page that they begin, when it is the same to the byte and
 * holds all of its rows. */
bool cells_skip_same(struct cells *a, struct cells *b);
/* Whether the records of both current rows are the same to the byte: 1, 0, or
 * -1 with E from BREATHE, which is called every few overflow pages. */
int cells_same(struct cells *a, struct cells *b,
    int (*breathe)(void *ctx, struct err *e), void *ctx, struct err *e);

#endif

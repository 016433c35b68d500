/*
 * Differences of datasets as the answer of a command: units, one after the
 * other, each worked out on its dataset's strand and written to a file without
 * a name, then handed out as fast as the caller reads.  docs/control.md,
 * "Differences", says what the lines look like.
 *
 *     struct diff_units units = { 0 };
 *     *diff_units_add(&units) = (struct diff_unit){ ... };
 *     diff_run(call, &units, DIFF_LIST);       // finishes the call
 */
#ifndef DAEMON_CONTROL_DIFF_H
#define DAEMON_CONTROL_DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "daemon/control.h"
#include "daemon/datasets.h"

enum diff_kind {
    DIFF_UNPUBLISHED, /* what the next publish would make */
    DIFF_SERVER,      /* what a server lacks of what is published */
    DIFF_REVISION     /* what a revision changed */
};

struct diff_unit {
    enum diff_kind kind;
    char dataset[64];
    char server[256];  /* "" unless DIFF_SERVER */
    uint64_t revision; /* of DIFF_REVISION; held there: of DIFF_SERVER */
    struct digest digest;
    int64_t as_of_ms;    /* not 0: it holds what was newest then (UTC) */
    char why_whole[128]; /* everything would be sent; "" when not */
    struct buf drifted;  /* keys, as for source_repair */
};

struct diff_units {
    struct diff_unit *items;
    size_t count;
};

/* A zeroed unit at the end. */
struct diff_unit *diff_units_add(struct diff_units *units);
void diff_units_release(struct diff_units *units);

/* Rows that a unit gives at most, and without "limit". */
#define DIFF_ROWS_MAX 100000
/* Answers CALL with the units, taken over: DIFF_ONE with the summary of the
 * only one as the result, DIFF_LIST with a line for each summary.  Of the
 * call's arguments, "limit" is how many rows each gives. */
enum diff_answer { DIFF_ONE, DIFF_LIST };
void diff_run(struct control_call *call, struct diff_units *units,
    enum diff_answer answer);

/* "dataset show" with a revision. */
void diff_show_revision(struct control_call *call, int64_t revision);

#endif

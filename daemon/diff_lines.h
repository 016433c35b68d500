/*
 * Rows that differ, made into lines of JSON: masked, counted, and gathered in a
 * spool.  On the strand of their dataset; read from the spool by the caller.
 *
 *     diff_lines_open(&l, folder, head, secrets, limit, &e);
 *     const struct diff_sink sink = diff_lines_sink(&l);
 *     ... source_preview(source, &sink, ...), then l.counts ...
 *     if (diff_lines_end(&l, &e) == 0)     // what the sink could not tell, too
 *         ... diff_spool_take(&l.spool, ...) ...
 *     diff_lines_close(&l);
 */
#ifndef DAEMON_DIFF_LINES_H
#define DAEMON_DIFF_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "daemon/diff_spool.h"
#include "sync/change_json.h"
#include "sync/source.h"

struct diff_counts {
    uint64_t added, changed, removed; /* all of them */
    uint64_t drifted, statements;
    uint64_t more; /* those that are counted above, but not given */
};

struct diff_lines {
    struct diff_spool spool; /* fd is -1 before it is opened */
    struct diff_counts counts;
    bool in_drift; /* rows are drifted keys, as they are published */
    /* Its own. */
    char *head;
    struct change_secrets secrets;
    uint64_t limit, given;
    struct buf line; /* begun, without its end */
    size_t line_rows;
    struct err failed;
};

/* A line is HEAD (copied), rows with commas between, "]}}".  At most LIMIT rows
 * are given.  FOLDER is where the spool is made. */
int diff_lines_open(struct diff_lines *l, const char *folder, const char *head,
    const struct change_secrets *secrets, uint64_t limit, struct err *e);
struct diff_sink diff_lines_sink(struct diff_lines *l);
int diff_lines_end(struct diff_lines *l, struct err *e);
void diff_lines_close(struct diff_lines *l);

#endif

/*
 * Lines of an answer that are made at once and read little by little: kept in a
 * file without a name, so that they take no memory.
 */
#ifndef DAEMON_DIFF_SPOOL_H
#define DAEMON_DIFF_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct diff_spool {
    int fd; /* -1: not open */
    uint64_t written;
    uint64_t taken;
    struct buf pending; /* not written yet */
};

/* In FOLDER, or in memory where the file system cannot. */
int diff_spool_open(struct diff_spool *spool, const char *folder,
    struct err *e);
int diff_spool_put(struct diff_spool *spool, const void *data, size_t len,
    struct err *e);
/* Writes out what is pending. */
int diff_spool_flush(struct diff_spool *spool, struct err *e);
/* The next bytes in order, at most SIZE; *GOT 0 at the end. */
int diff_spool_take(struct diff_spool *spool, void *data, size_t size,
    size_t *got, struct err *e);
void diff_spool_close(struct diff_spool *spool);

#endif

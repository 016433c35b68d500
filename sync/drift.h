/*
 * The drift file: rows that somebody changed on a secondary, as found and as
 * they should be, kept before they are repaired.  One JSON object a line:
 * {"time","dataset","table","key","found","expected","cause"}; rows are shown
 * as text, null when there is none.  0600: rows may hold secrets.
 */
#ifndef SYNC_DRIFT_H
#define SYNC_DRIFT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Beyond this the file moves to drift.jsonl.1, replacing the one before. */
#define DRIFT_FILE_MAX ((int64_t)16 << 20)

struct drift_file;

/* Opens WORK_DIR/drift.jsonl for appending. */
int drift_file_open(struct drift_file **file, const char *work_dir,
    const char *dataset, struct err *e);
/* Adds one row.  FOUND or EXPECTED are row tuples, NULL for none; CAUSE is a
 * short text.  Errors show at the commit. */
void drift_file_add(struct drift_file *file, const char *table, const void *key,
    size_t key_len, const void *found, size_t found_len, const void *expected,
    size_t expected_len, const char *cause);
/* Writes and syncs what was added. */
int drift_file_commit(struct drift_file *file, struct err *e);
/* Closes; what was not committed may be dropped. */
void drift_file_close(struct drift_file *file);

#endif

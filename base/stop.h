/*
 * That the process was asked to end: set once, by a signal handler, and looked
 * at by whatever takes long.  Work that is given up fails with ERR_CANCELLED
 * and leaves what the next start expects after a crash.
 */
#ifndef BASE_STOP_H
#define BASE_STOP_H

#include <stdbool.h>

#include "base/err.h"

/* Begun transactions may take this long to end; then they are rolled back. */
#define STOP_GRACE_MS 500

/* Async-signal-safe; the first request counts. */
void stop_request(void);
bool stop_is_requested(void);
/* The request is STOP_GRACE_MS old: nothing is worth finishing any more. */
bool stop_is_overdue(void);
/* -1 with ERR_CANCELLED once a stop was requested, else 0: for loops. */
int stop_check(struct err *e);
/* For tests: as if nobody had asked. */
void stop_forget(void);

#endif

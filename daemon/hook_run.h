/*
 * One call of one hook: started, listened to, ended at its time limit.  All on
 * the loop, nothing waits.
 */
#ifndef DAEMON_HOOK_RUN_H
#define DAEMON_HOOK_RUN_H

#include <stdint.h>
#include <uv.h>

#include "base/err.h"

#define HOOK_OUTPUT_SIZE 2048

struct hook_run;

struct hook_call {
    const char *program; /* absolute */
    const char *name;    /* what it finds as its own name */
    const char *dataset;
    uint64_t epoch;
    uint64_t revision;
    char *const *environment; /* "NAME=VALUE", up to NULL */
    int64_t timeout_ms;
};

/* E says how it ended: ERR_NONE is exit status 0.  OUTPUT is what it wrote,
 * safe to show, "" for nothing, and valid during the call only. */
typedef void (
    *hook_run_done_fn)(void *ctx, const char *output, const struct err *e);

/* NULL with E when it could not be started; else DONE is called once, later. */
struct hook_run *hook_run_start(uv_loop_t *loop, const struct hook_call *call,
    hook_run_done_fn done, void *ctx, struct err *e);
/* Kills it with all of its process group, without a report. */
void hook_run_cancel(struct hook_run *run);

#endif

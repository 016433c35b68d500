/*
 * A strand: jobs that run on libuv's thread pool one at a time, in order.  Each
 * dataset has one, so that SQLite never blocks the engine's loop and a dataset
 * is only ever touched by one thread.
 */
#ifndef DAEMON_STRAND_H
#define DAEMON_STRAND_H

#include <stdbool.h>
#include <uv.h>

struct strand;

struct strand *strand_new(uv_loop_t *loop);
/* Waits for the running job, drops the others (their done() is called with
 * cancelled true) and frees. */
void strand_free(struct strand *s);
/* Queues: WORK(arg) on a thread, then DONE(arg, cancelled) on the loop. */
void strand_run(struct strand *s, void (*work)(void *arg),
    void (*done)(void *arg, bool cancelled), void *arg);
size_t strand_queued(const struct strand *s);

#endif

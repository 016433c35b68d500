/*
 * A change of the filter that is taken back unless it is confirmed in time:
 * whoever shut himself out by it is let in again.  What takes it back is in the
 * node store before the change is answered; a restart takes it back at once.
 */
#ifndef DAEMON_FILTER_CONFIRM_H
#define DAEMON_FILTER_CONFIRM_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define FILTER_CONFIRM_MAX_S 3600

struct engine;
struct filter_confirm;

int filter_confirm_open(struct filter_confirm **confirm, struct engine *engine,
    struct err *e);
void filter_confirm_close(struct filter_confirm *confirm);
/* One change waits at a time: ERR_BUSY while another does. */
int filter_confirm_free(const struct filter_confirm *confirm, struct err *e);
/* Takes UNDO (stolen) back in SECONDS.  Durable when it returns 0, or with the
 * store's transaction in which it is called. */
int filter_confirm_begin(struct filter_confirm *confirm, bool cluster,
    json_t *undo, int64_t seconds, struct err *e);
/* That transaction failed. */
void filter_confirm_drop(struct filter_confirm *confirm);
/* The change stays; ERR_NOT_FOUND when none waits. */
int filter_confirm_keep(struct filter_confirm *confirm, struct err *e);
/* When the waiting change is taken back (UTC ms), or 0. */
int64_t filter_confirm_until(const struct filter_confirm *confirm);

#endif

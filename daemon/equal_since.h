/*
 * On a secondary: since when every dataset has been equal with the primary's,
 * as far as the primary's pushes and heartbeats tell.  All on the loop.
 */
#ifndef DAEMON_EQUAL_SINCE_H
#define DAEMON_EQUAL_SINCE_H

#include <stdint.h>

#include "base/err.h"
#include "daemon/datasets.h"

struct engine;

/* A bundle or an overwrite was refused, or is durable and equal (ERR_NONE). */
void equal_note_push(struct dataset *ds, const struct err *e);
/* A heartbeat was refused, or names what is held (ERR_NONE). */
void equal_note_heartbeat(struct dataset *ds, const struct err *e);
/* UTC; 0: it is not known to be equal. */
int64_t equal_since_ms(const struct engine *engine);

#endif

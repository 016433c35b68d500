/*
 * Narrowing: the admin port answers one address and the node itself, nobody
 * else.
 */
#ifndef DAEMON_FILTER_NARROW_H
#define DAEMON_FILTER_NARROW_H

#include "base/err.h"

struct engine;

/* Puts rules after the node's own (which go on deciding first) that allow
 * loopback and ADDRESS and deny the rest; those of an earlier narrowing go.
 * CALLER is refused his own exclusion (ERR_INVALID).  Durable and in force when
 * it returns. */
int filter_narrow(struct engine *engine, const char *address,
    const char *caller, struct err *e);

#endif

/*
 * This node as others see it: status.json and metrics.prom.
 */
#ifndef DAEMON_STATUS_H
#define DAEMON_STATUS_H

#include <jansson.h>

struct buf;
struct engine;

/* The "status" of the command line's JSON, with address, healthy, problem and
 * sync.  A new reference. */
json_t *status_json(struct engine *engine);
/* The same as Prometheus text, and the servers. */
void metrics_render(struct engine *engine, struct buf *out);

#endif

/*
 * Events: what an administrator would want to read afterwards.  Appended to
 * STATE_DIR/events.jsonl, one JSON object per line:
 * {"seq","time","node","kind", "level","server"?, "dataset"?, "text", ...}.
 * At 16 MiB a new file begins (events.jsonl.1 keeps the older); open handles
 * finish the old one.
 */
#ifndef DAEMON_EVENTS_H
#define DAEMON_EVENTS_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"

struct events;

int events_open(struct events **events, const char *state_dir,
    const char *node_name, struct err *e);
void events_close(struct events *events);
/* KIND is a short word ("server-added", "drift", "held", ...); LEVEL is "info",
 * "warning" or "error".  SERVER and DATASET may be NULL.  Logs it too. */
void events_add(struct events *events, const char *level, const char *kind,
    const char *server, const char *dataset, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));
/* A descriptor of the present file, for a reader, who closes it. */
int events_reader(struct events *events, int *fd, struct err *e);
uint64_t events_size(struct events *events); /* of the present file */
/* The newest MAX events that are not older than SINCE_MS, as a JSON array. */
json_t *events_list(struct events *events, int64_t since_ms, size_t max);

#endif

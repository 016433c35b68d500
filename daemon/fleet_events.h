/*
 * The events of the servers, collected over their push connections: each once,
 * over restarts.  A server's OK says the number of its newest event; what is
 * above the last that is in our file of it is asked for, so the file itself is
 * the cursor.
 */
#ifndef DAEMON_FLEET_EVENTS_H
#define DAEMON_FLEET_EVENTS_H

#include <jansson.h>
#include <stdint.h>

#include "base/hash.h"
#include "sync/state.h"

struct fleet;
struct link_reply;
struct server;

/* An OK came. */
void server_hear_events(struct server *server, const struct link_reply *reply);
/* The link is gone. */
void server_forget_collecting(struct server *server);
/* Its node has another id than BEFORE: what was collected goes on under that
 * one, with the numbers that it gives. */
void server_events_moved(struct server *server, const uint8_t before[ID_SIZE]);
/* The newest MAX events of server NAME that are not older than SINCE_MS, in
 * order; of all servers for NULL.  Empty when there is no such server. */
json_t *fleet_events(struct fleet *fleet, const char *name, int64_t since_ms,
    size_t max);

#endif

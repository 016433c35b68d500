/*
 * Events: what an administrator would want to read afterwards.  Appended to
 * STATE_DIR/events.jsonl, one JSON object per line:
 * {"seq","time","node","kind", "level","server"?, "dataset"?, "who"?, "from"?,
 * "result"?, "text"}: who did it, from where, and "ok" or why it was refused,
 * for logins and changes.
 * They are on disk within a second, and when events_close returns.
 * At 16 MiB a new file begins (events.jsonl.1 keeps the older); open handles
 * finish the old one.
 */
#ifndef DAEMON_EVENTS_H
#define DAEMON_EVENTS_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"

struct events;
struct events_outlet;

int events_open(struct events **events, const char *state_dir,
    const char *node_name, struct err *e);
void events_close(struct events *events);
/* KIND is a short word ("server-added", "drift", "held", ...); LEVEL is "info",
 * "warning" or "error".  SERVER and DATASET may be NULL.  Logs it too. */
void events_add(struct events *events, const char *level, const char *kind,
    const char *server, const char *dataset, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));
/* The same for what somebody did: WHO is "NAME from ADDRESS", RESULT "ok" or
 * the code of an error. */
void events_add_deed(struct events *events, const char *level, const char *kind,
    const char *who, const char *result, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));
/* Sends every event there too from now on; steals OUTLET, which may be NULL. */
void events_set_outlet(struct events *events, struct events_outlet *outlet);
/* The number of the newest event, 0 for none. */
uint64_t events_newest(struct events *events);
/* At most MAX events above number AFTER, the oldest of them first. */
json_t *events_after(struct events *events, uint64_t after, size_t max);

/* Another node's events, kept in FOLDER/FILE with their own numbers and NODE's
 * name: files of 4 MiB. */
int events_open_collected(struct events **events, const char *folder,
    const char *file, const char *node, struct err *e);
/* Appends one that is newer than the newest; others, and what is no event, are
 * passed over, and long texts cut. */
void events_collect(struct events *events, const json_t *event);
/* The next event may have any number. */
void events_begin_anew(struct events *events);

/* A descriptor of the present file, for a reader, who closes it. */
int events_reader(struct events *events, int *fd, struct err *e);
uint64_t events_size(struct events *events); /* of the present file */
/* The newest MAX events that are not older than SINCE_MS, as a JSON array. */
json_t *events_list(struct events *events, int64_t since_ms, size_t max);

#endif

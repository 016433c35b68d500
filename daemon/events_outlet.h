/*
 * Where events go beside their file: a syslog server or socket (RFC 5424), and
 * the journal of systemd (its native protocol).  Sending never waits; what does
 * not get through is lost there, and still in the file.
 */
#ifndef DAEMON_EVENTS_OUTLET_H
#define DAEMON_EVENTS_OUTLET_H

#include <jansson.h>

#include "base/err.h"

struct events_outlet;

/* SYSLOG: "" for none, the path of a datagram socket, or "ADDRESS:PORT" (UDP,
 * numeric); JOURNAL: "" or the path of the journal's socket. */
int events_outlet_open(struct events_outlet **outlet, const char *syslog,
    const char *journal, struct err *e);
void events_outlet_close(struct events_outlet *outlet);
/* EVENT as it is in the file.  Any thread. */
void events_outlet_send(const struct events_outlet *outlet,
    const json_t *event);
/* ERR_INVALID unless TEXT is what events_outlet_open takes as SYSLOG. */
int events_outlet_check(const char *text, struct err *e);

#endif

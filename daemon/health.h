/*
 * The agent-check of HAProxy: whoever connects to "[health] listen" is told in
 * one line whether logins should come here (docs/haproxy.md).
 *
 *     up ready    the SFTP service answers, and this node is not stale
 *     drain       stale for longer than "[health] stale", or drained by an
 *                 administrator: no new logins
 *     down        the SFTP service does not answer
 */
#ifndef DAEMON_HEALTH_H
#define DAEMON_HEALTH_H

#include "base/err.h"

struct engine;
struct health;

/* *HEALTH is NULL when "[health] listen" is empty. */
int health_open(struct health **health, struct engine *engine, struct err *e);
void health_close(struct health *health);

#endif

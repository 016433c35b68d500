/*
 * Tells the service manager that started us how we are: ready, stopping, and
 * that the loop still turns.  The protocol is sd_notify(3)'s, a datagram to the
 * socket that NOTIFY_SOCKET names; without that variable nothing is done.
 */
#ifndef DAEMON_SERVICE_MANAGER_H
#define DAEMON_SERVICE_MANAGER_H

#include <uv.h>

struct service_manager;

/* Everything is up.  Sends the first message, and from then on one from LOOP in
 * half the time of WATCHDOG_USEC if that is set.  NULL when nobody wants to
 * know; an error (NOTIFY_SOCKET is no address, or nobody listens) is logged. */
struct service_manager *service_manager_ready(uv_loop_t *loop,
    const char *status);
/* The end was asked for.  Closes what service_manager_ready opened and frees S
 * once LOOP has run; NULL is fine. */
void service_manager_stopping(struct service_manager *s);

#endif

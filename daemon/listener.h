/*
 * The listening socket: accepts, asks the filter, applies the caps, and hands the
 * descriptor to inbounds.  A refused peer gets zero bytes.
 */
#ifndef DAEMON_LISTENER_H
#define DAEMON_LISTENER_H

#include "base/err.h"

struct engine;
struct listener;

/* ADDRESS is "ADDR:PORT", "[V6]:PORT"; "[::]" is dual-stack. */
int listener_open(struct listener **listener, struct engine *engine,
    const char *address, struct err *e);
void listener_close(struct listener *listener);
/* The port and address it really has (for tests with port 0 and for the local
 * command line): text of STATE_DIR/local.json's "address". */
const char *listener_address(const struct listener *listener);

#endif

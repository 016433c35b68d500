/*
 * The listening socket: accepts, asks the filter, applies the caps, and
 * hands the descriptor to inbounds.  A refused peer gets zero bytes.
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
/* Whether ADDRESS could be listened on; no name is ever resolved. */
int listener_check_address(const char *address, struct err *e);
/* "ADDR:PORT" where this node reaches itself: the port and address it really
 * has, 127.0.0.1 when it listens on all.  STATE_DIR/local.json has it for the
 * local command line. */
const char *listener_address(const struct listener *listener);

#endif

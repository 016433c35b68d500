/*
 * The command "node keys", on a secondary.
 */
#ifndef DAEMON_NODE_KEYS_H
#define DAEMON_NODE_KEYS_H

#include "daemon/control.h"

void node_keys_run(struct control_call *call);

#endif

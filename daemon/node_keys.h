/*
 * The commands "node keys" and "key trust", on a secondary.
 */
#ifndef DAEMON_NODE_KEYS_H
#define DAEMON_NODE_KEYS_H

#include "base/err.h"
#include "daemon/control.h"
#include "daemon/keys.h"

void node_keys_run(struct control_call *call);
/* The primary may use the login or bundle key of that FINGERPRINT
 * ("SHA256:...") from now on, though it did not announce it; once it says that
 * it does, the key before it is forgotten.  WHO is for the event. */
int node_keys_trust(struct engine *engine, enum key_kind kind,
    const char *fingerprint, const char *who, struct err *e);

#endif

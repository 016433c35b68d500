/*
 * From one key of this node to the next.  A successor is made and durable,
 * announced to whoever pins the key, and taken into use when all of them have
 * it in their stores; each then forgets the key before it.  Who that is:
 *
 *   on a primary    every listed server, by fleet_keys.c and node_keys.c
 *   on a secondary  its primary, for the host key; nobody for the others
 *   standalone      nobody
 *
 * Whatever a crash interrupts goes on by itself: the successor is in
 * STATE_DIR/keys, what each server was told in node.db.
 */
#ifndef DAEMON_KEY_ROTATION_H
#define DAEMON_KEY_ROTATION_H

#include <stdbool.h>

#include "base/err.h"
#include "daemon/keys.h"

struct engine;

/* Which successors an administrator has forced, before anything is checked. */
int key_rotation_load(struct engine *engine, struct err *e);
/* Makes a successor unless there is one, and goes on as far as nobody has to
 * be waited for.  With FORCE a primary waits only for servers that it reaches,
 * a secondary for nobody; that is kept over a restart.  WHO is for events. */
int key_rotation_start(struct engine *engine, enum key_kind kind, bool force,
    const char *who, struct err *e);
/* Takes each successor into use that nobody is waited for; whenever somebody
 * may have acknowledged, and at times. */
void key_rotation_check(struct engine *engine);
/* The primary has this node's next host key in its store. */
void key_rotation_host_pinned(struct engine *engine);
/* Whether a successor waits for others. */
bool key_rotation_waits(const struct engine *engine, enum key_kind kind);

#endif

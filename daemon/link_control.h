/*
 * A command run on another node over an outbound link: one request on its
 * /control, its one result back.
 */
#ifndef DAEMON_LINK_CONTROL_H
#define DAEMON_LINK_CONTROL_H

#include <jansson.h>

#include "base/err.h"
#include "daemon/outbound.h"

struct link_control;

/* RESULT is borrowed and NULL on error; a refusal comes as the other node's own
 * error.  FN is called exactly once, unless the link is closed before (or the
 * exchange is cancelled); it may close the link. */
typedef void (
    *link_control_fn)(void *ctx, const json_t *result, const struct err *e);

/* ARGS is borrowed.  The caller keeps the returned exchange until FN is called,
 * and cancels it when the link goes first. */
struct link_control *link_control_run(struct link *link, const char *command,
    json_t *args, link_control_fn fn, void *ctx);
/* Forgets FN; must be called when the link was closed.  NULL is fine. */
void link_control_cancel(struct link_control *c);

#endif

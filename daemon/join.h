/*
 * Joining by a file (docs/join.md): for a while a fresh node admits, once, the
 * one primary that made the file.  Kept in node.db as value "join".
 *
 * Both sides know the file's secret.  The primary logs in as user "join" with
 *     HMAC(secret, "lockstep join primary" "\n" fingerprint)
 * of the host key that it was shown, in hex, so that whoever stands between
 * gets nothing that the node would take; the node answers the enrolment with
 *     HMAC(secret, "lockstep join node" "\n" fingerprint)
 * so that the primary enrols nobody else.  HMAC is that of SHA-256 (RFC 2104).
 */
#ifndef DAEMON_JOIN_H
#define DAEMON_JOIN_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "daemon/node_role.h"

#define JOIN_USER "join"

/* Takes the file's content: ERR_ROLE when the node is not fresh, ERR_TIMEOUT
 * when the file has expired, ERR_EXISTS when it was used here, ERR_INVALID when
 * it is for another host, or none.  Durable. */
int join_accept(struct engine *engine, const json_t *file, struct err *e);
/* Whether the node may be joined now. */
bool join_is_open(const struct engine *engine);
bool join_check_password(const struct engine *engine, const char *password);
/* Whether EN is by the primary that made the file. */
int join_check_enrollment(const struct engine *engine,
    const struct enrollment *en, struct err *e);
/* The node's proof, or null when it cannot be joined. */
json_t *join_proof_json(const struct engine *engine);
/* The enrolment is durable: nobody is admitted any more, nor by that file. */
void join_close(struct engine *engine);

#endif

/*
 * Sessions: one child per accepted connection, its logins verified and its
 * requests served by the engine.
 */
#ifndef DAEMON_INBOUND_H
#define DAEMON_INBOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/err.h"

struct engine;
struct inbounds;

struct inbounds *inbounds_new(struct engine *engine);
void inbounds_free(struct inbounds *in); /* ends all sessions */
/* Takes the descriptor over; the filter has allowed it.  Whether a session was
 * started. */
bool inbounds_accept(struct inbounds *in, int fd,
    const struct sockaddr_storage *peer);
size_t inbounds_count(const struct inbounds *in);
/* Ends every session whose user lost his role (a removed administrator, a
 * primary that this node no longer belongs to) or the key he came with. */
void inbounds_check_logins(struct inbounds *in);

#endif

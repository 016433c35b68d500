/*
 * Messages between the engine and its children over a SOCK_STREAM socketpair.
 *
 *     u32 length (of what follows) | u8 type | u32 tag | body
 *
 * A request carries a tag that its answer repeats.  A descriptor may travel
 * with a message (SCM_RIGHTS).  Channels are non-blocking and queue what the
 * kernel does not take; the owner polls the descriptor.
 */
#ifndef DAEMON_IPC_H
#define DAEMON_IPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define IPC_BODY_MAX (1024 * 1024)

struct ipc_message {
    uint8_t type; /* enum ipc_type (daemon/ipc_messages.h) */
    uint32_t tag;
    const uint8_t *body; /* borrowed until the handler returns */
    size_t body_len;
    int fd; /* -1, or a descriptor that the handler now owns */
};

struct ipc_channel;

/* FD becomes the channel's own and non-blocking. */
struct ipc_channel *ipc_channel_new(int fd);
void ipc_channel_free(struct ipc_channel *c);
int ipc_channel_fd(const struct ipc_channel *c);
/* Queues one message; FD (or -1) is closed once it was sent.  Flushes as much
 * as the kernel takes. */
void ipc_send(struct ipc_channel *c, uint8_t type, uint32_t tag,
    const void *body, size_t len, int fd);
/* Sends queued bytes; -1 when the other end is gone. */
int ipc_flush(struct ipc_channel *c, struct err *e);
bool ipc_wants_write(const struct ipc_channel *c);
size_t ipc_queued(const struct ipc_channel *c); /* bytes not yet sent */
/* Reads what is there and calls FN for each whole message, which is wiped
 * afterwards where it is small enough to hold a password.  -1 (ERR_CLOSED)
 * at end of stream, ERR_PROTOCOL for a message over IPC_BODY_MAX.  FN may free
 * the channel only by returning false, which stops the reading. */
int ipc_receive(struct ipc_channel *c,
    bool (*fn)(void *ctx, struct ipc_message *m), void *ctx, struct err *e);

#endif

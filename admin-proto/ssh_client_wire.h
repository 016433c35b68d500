/*
 * Inside the blocking client: the session, and the waiting for what the node
 * sends.  Only ssh_client*.c include this.
 *
 * A failure of the connection, or silence beyond its time, ends it for good:
 * replies that were awaited are never delivered, so that they may be noted on
 * the stack of whoever waits.
 */
#ifndef ADMIN_PROTO_SSH_CLIENT_WIRE_H
#define ADMIN_PROTO_SSH_CLIENT_WIRE_H

#include <libssh/libssh.h>

#include "admin-proto/sftp_client.h"
#include "admin-proto/ssh_client.h"

/* libssh opens its receive window as far as one read asks for. */
#define WIRE_INPUT_SIZE (2 * 1024 * 1024)

/* The outcome of one request. */
struct wire_reply {
    bool done;
    bool eof;
    int result; /* -1: refused, and why in error */
    struct err error;
    struct fxp_attrs attrs;
    uint8_t handle[SFTP_HANDLE_MAX];
    size_t handle_len;
    struct buf *data; /* where DATA is appended; may be NULL */
    size_t data_len;
};

struct admin_client {
    ssh_session session;
    ssh_channel channel;
    int lent_fd; /* the one that libssh has */
    int fd;      /* a duplicate, ours */
    struct fxp_client *sftp;
    uint8_t *input;
    bool broken;
    bool asked;        /* a command was answered before */
    bool opened_ahead; /* NEXT is that of /control, under way or done */
    struct wire_reply next;
    int timeout_ms;
    char where[320]; /* HOST:PORT, for messages */
    char fingerprint[64];
    char peer_address[64];
    char local_address[64];
};

/* Waits until the socket is ready for what libssh wants, or DEADLINE_MS on the
 * monotonic clock: ERR_TIMEOUT. */
int wire_wait(struct admin_client *c, int64_t deadline_ms, struct err *e);

/* A fxp_reply_fn: fills the struct wire_reply that CTX is. */
void wire_note_reply(void *ctx, const struct fxp_packet *p);

/* Sends what waits and takes in what comes, until *DONE; -1 when the node was
 * silent for SILENCE_MS or the connection ended. */
int wire_run(struct admin_client *c, const bool *done, int silence_ms,
    struct err *e);
/* The same until no request is under way. */
int wire_drain(struct admin_client *c, struct err *e);
/* wire_run, then the refusal that the reply may be. */
int wire_await(struct admin_client *c, struct wire_reply *reply, int silence_ms,
    struct err *e);

/* Opens PATH; the handle is in REPLY. */
int wire_open(struct admin_client *c, const char *path, uint32_t flags,
    struct wire_reply *reply, struct err *e);
/* Sends the same without waiting; wire_await tells what came of it. */
void wire_open_later(struct admin_client *c, const char *path, uint32_t flags,
    struct wire_reply *reply);
/* Closes a handle that wire_open gave, unless the connection is broken. */
int wire_close(struct admin_client *c, const struct wire_reply *handle,
    struct err *e);
/* The same without waiting: the reply is passed over whenever it comes, and
 * what does not fit the window leaves with the next request. */
void wire_close_later(struct admin_client *c, const struct wire_reply *handle);

#endif

/*
 * The client's half of SFTP: any number of requests under way, replies matched
 * by id.  No I/O, as sftp_server: the caller sends the output and feeds what
 * arrives.  Both the pusher (non-blocking) and ssh_client (blocking) use it.
 */
#ifndef ADMIN_PROTO_SFTP_CLIENT_H
#define ADMIN_PROTO_SFTP_CLIENT_H

#include "admin-proto/sftp_codec.h"
#include "base/buf.h"
#include "base/err.h"

struct sftp_client;

/* A reply; the packet's slices are borrowed for the call only.  It is a STATUS
 * that is not OK, or what the request asked for: HANDLE for open, DATA of at
 * most the length asked for, ATTRS, STATUS OK for the rest.  The callback may
 * send requests; it must not free the client. */
typedef void (*sftp_reply_fn)(void *ctx, const struct sftp_packet *reply);

struct sftp_client *sftp_client_new(void);    /* its output begins with INIT */
void sftp_client_free(struct sftp_client *c); /* replies not come are dropped */
bool sftp_client_ready(const struct sftp_client *c); /* VERSION has come */
struct buf *sftp_client_output(struct sftp_client *c);
/* -1 (ERR_PROTOCOL): a malformed packet or an id that was never sent. */
int sftp_client_feed(struct sftp_client *c, const void *data, size_t len,
    struct err *e);
size_t sftp_client_pending(const struct sftp_client *c);

void sftp_client_open(struct sftp_client *c, const char *path, uint32_t flags,
    sftp_reply_fn fn, void *ctx);
void sftp_client_close(struct sftp_client *c, const void *handle,
    size_t handle_len, sftp_reply_fn fn, void *ctx);
void sftp_client_read(struct sftp_client *c, const void *handle,
    size_t handle_len, uint64_t offset, uint32_t length, sftp_reply_fn fn,
    void *ctx);
void sftp_client_write(struct sftp_client *c, const void *handle,
    size_t handle_len, uint64_t offset, const void *data, size_t len,
    sftp_reply_fn fn, void *ctx);
void sftp_client_stat(struct sftp_client *c, const char *path, sftp_reply_fn fn,
    void *ctx);
void sftp_client_fstat(struct sftp_client *c, const void *handle,
    size_t handle_len, sftp_reply_fn fn, void *ctx);

/* Turns a STATUS reply that is not OK into an error: "CODE: text" as err_parse
 * reads it, else by status number.  Returns 0 for OK, -1 otherwise. */
int sftp_status_error(const struct sftp_packet *reply, struct err *e);

#endif

/*
 * The client's half of SFTP: any number of requests under way, replies matched
 * by id.  No I/O, as fxp_server: the caller sends the output and feeds what
 * arrives.  Both the pusher (non-blocking) and ssh_client (blocking) use it.
 */
#ifndef ADMIN_PROTO_SFTP_CLIENT_H
#define ADMIN_PROTO_SFTP_CLIENT_H

#include "admin-proto/sftp_codec.h"
#include "base/buf.h"
#include "base/err.h"

struct fxp_client;

/* A reply; the packet's slices are borrowed for the call only.  It is a STATUS
 * that is not OK, or what the request asked for: HANDLE for open, DATA of at
 * most the length asked for, ATTRS, STATUS OK for the rest.  The callback may
 * send requests; it must not free the client. */
typedef void (*fxp_reply_fn)(void *ctx, const struct fxp_packet *reply);

struct fxp_client *fxp_client_new(void);    /* its output begins with INIT */
void fxp_client_free(struct fxp_client *c); /* replies not come are dropped */
bool fxp_client_ready(const struct fxp_client *c); /* VERSION has come */
struct buf *fxp_client_output(struct fxp_client *c);
/* -1 (ERR_PROTOCOL): a malformed packet or an id that was never sent. */
int fxp_client_feed(struct fxp_client *c, const void *data, size_t len,
    struct err *e);
size_t fxp_client_pending(const struct fxp_client *c);

void fxp_client_open(struct fxp_client *c, const char *path, uint32_t flags,
    fxp_reply_fn fn, void *ctx);
void fxp_client_close(struct fxp_client *c, const void *handle,
    size_t handle_len, fxp_reply_fn fn, void *ctx);
void fxp_client_read(struct fxp_client *c, const void *handle,
    size_t handle_len, uint64_t offset, uint32_t length, fxp_reply_fn fn,
    void *ctx);
void fxp_client_write(struct fxp_client *c, const void *handle,
    size_t handle_len, uint64_t offset, const void *data, size_t len,
    fxp_reply_fn fn, void *ctx);
void fxp_client_stat(struct fxp_client *c, const char *path, fxp_reply_fn fn,
    void *ctx);
void fxp_client_fstat(struct fxp_client *c, const void *handle,
    size_t handle_len, fxp_reply_fn fn, void *ctx);

/* Turns a STATUS reply that is not OK into an error: "CODE: text" as err_parse
 * reads it, else by status number.  Returns 0 for OK, -1 otherwise. */
int fxp_status_error(const struct fxp_packet *reply, struct err *e);

#endif

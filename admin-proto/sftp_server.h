/*
 * The server's half of SFTP: packets in, packets out, a bounded table of
 * handles.  What a path means is the backend's matter.  It performs no I/O: the
 * caller feeds bytes and drains the output, so the same code runs over an SSH
 * channel, over stdin and stdout, and under the fuzzer.
 *
 * A backend answers every request exactly once, at once or later, in any order,
 * with one of the fxp_server_reply functions and the request's tag.
 *
 *     struct fxp_server *s = fxp_server_start(&backend, ctx);
 *     fxp_server_feed(s, data, len, &e);   // calls the backend
 *     buf *out = fxp_server_output(s);     // send it and buf_consume it
 */
#ifndef ADMIN_PROTO_SFTP_SERVER_H
#define ADMIN_PROTO_SFTP_SERVER_H

#include "admin-proto/sftp_codec.h"
#include "base/buf.h"
#include "base/err.h"

struct fxp_server;

/* Paths are cleaned and terminated.  HANDLE is the number that the backend gave
 * with reply_handle.  DATA is borrowed for the call only. */
struct fxp_backend {
    void (*open)(void *ctx, uint32_t tag, const char *path, uint32_t flags);
    void (*close)(void *ctx, uint32_t tag, uint32_t handle);
    void (*read)(void *ctx, uint32_t tag, uint32_t handle, uint64_t offset,
        uint32_t length);
    void (*write)(void *ctx, uint32_t tag, uint32_t handle, uint64_t offset,
        const void *data, size_t len);
    void (*stat)(void *ctx, uint32_t tag, const char *path);
    void (*fstat)(void *ctx, uint32_t tag, uint32_t handle);
    void (*list)(void *ctx, uint32_t tag, const char *path);
    /* SETSTAT on a path: OK or a refusal, without effect. */
    void (*setstat)(void *ctx, uint32_t tag, const char *path);
    /* fsync@openssh.com, and FSETSTAT, on an open handle. */
    void (*sync)(void *ctx, uint32_t tag, uint32_t handle);
};

struct fxp_server *fxp_server_start(const struct fxp_backend *backend,
    void *ctx);
void fxp_server_end(struct fxp_server *s);
/* Takes LEN bytes from the client; 0 bytes ask whether the session has failed.
 * -1 (ERR_PROTOCOL) ends the session. */
int fxp_server_feed(struct fxp_server *s, const void *data, size_t len,
    struct err *e);
/* What to send; the caller consumes it.  Requests that had to wait for room
 * are served here (the backend is called), so the caller asks again after an
 * answer and after consuming, until the output is empty. */
struct buf *fxp_server_output(struct fxp_server *s);
/* Requests that the backend has not answered yet; the caller stops feeding
 * beyond 64 of them or 8 MiB of output. */
size_t fxp_server_pending(const struct fxp_server *s);

void fxp_server_reply_status(struct fxp_server *s, uint32_t tag,
    enum fxp_status status, const char *text);
void fxp_server_reply_handle(struct fxp_server *s, uint32_t tag,
    uint32_t handle);
/* At most the length that was asked for; nothing means end of file. */
void fxp_server_reply_data(struct fxp_server *s, uint32_t tag, const void *data,
    size_t len);
void fxp_server_reply_attrs(struct fxp_server *s, uint32_t tag,
    const struct fxp_attrs *attrs);
struct fxp_entry {
    const char *name;
    struct fxp_attrs attrs;
};
/* Answers list: the whole folder, which READDIR then hands out once.  "." and
 * ".." are added; a "." among the entries gives the folder's attributes. */
void fxp_server_reply_list(struct fxp_server *s, uint32_t tag,
    const struct fxp_entry *entries, size_t count);

#endif

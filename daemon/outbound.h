/*
 * The engine's side of all outbound SSH: links to other nodes through the
 * pusher and the connector.  One struct outbound is one pusher process; each
 * registration makes one of its own.
 *
 *     outbound_new(&out, loop, &e);
 *     link_open(out, &params, &callbacks, ctx, &link);
 *     ... ready() ... link_write(link, handle, ..., reply, ctx);
 *     link_close(link);       // callbacks stop at once
 */
#ifndef DAEMON_OUTBOUND_H
#define DAEMON_OUTBOUND_H

#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "base/hash.h"
#include "daemon/ipc_messages.h"

struct outbound;
struct link;

int outbound_new(struct outbound **out, uv_loop_t *loop, struct err *e);
/* Closes all links without callbacks and ends the processes. */
void outbound_free(struct outbound *out);

/* Has CRASHED called when the pusher or the connector ends by itself; PROCESS
 * is "pusher" or "connector". */
void outbound_watch(struct outbound *out,
    void (*crashed)(void *ctx, const char *process, const char *how),
    void *ctx);

struct link_params {
    const char *host;
    uint16_t port;
    const char *last_address;   /* tried at once; NULL */
    const char *source_address; /* NULL */
    enum link_mode mode;
    const char *user;
    const char *password; /* in password mode */
    /* In key mode, both borrowed until the link is ready or closed. */
    const struct ed25519_key *login_key;
    const void *login_blob; /* its public half */
    size_t login_blob_len;
    const void *pinned_key; /* host key blob; NULL in probe and password mode:
                             * host_key() decides */
    size_t pinned_key_len;
    uint32_t timeout_ms; /* for connect, key exchange and login together */
};

struct link_callbacks {
    /* The host key that was shown, and that signed the key exchange (after the
     * pinned one was found equal, when there is one).  In LINK_PASSWORD mode
     * call link_proceed or link_close. */
    void (*host_key)(void *ctx, const void *blob, size_t len);
    void (*ready)(void *ctx);
    /* The link failed or was lost; it is freed after this returns.  Replies
     * that had not come are not called.  A changed key is ERR_KEY_CHANGED, a
     * refused login ERR_LOGIN, and so on as in ssh_client.h. */
    void (*closed)(void *ctx, const struct err *e);
};

void link_open(struct outbound *out, const struct link_params *params,
    const struct link_callbacks *callbacks, void *ctx, struct link **link);
void link_proceed(struct link *link);
void link_close(struct link *link); /* NULL is fine; frees */

/* What came back: exactly one of the forms, by type (SFTP_STATUS, ...). */
struct link_reply {
    uint8_t type;
    uint32_t status;  /* SFTP_STATUS */
    struct err error; /* SFTP_STATUS other than OK, parsed "CODE: text" */
    const char *text; /* SFTP_STATUS, borrowed, not terminated */
    size_t text_len;
    const uint8_t *data; /* SFTP_HANDLE or SFTP_DATA, borrowed */
    size_t data_len;
    uint64_t size; /* SFTP_ATTRS */
    uint64_t round_trip_us;
};
typedef void (*link_reply_fn)(void *ctx, const struct link_reply *reply);

void link_open_file(struct link *link, const char *path, uint32_t flags,
    link_reply_fn fn, void *ctx);
void link_close_file(struct link *link, const void *handle, size_t handle_len,
    link_reply_fn fn, void *ctx);
void link_read(struct link *link, const void *handle, size_t handle_len,
    uint64_t offset, uint32_t length, link_reply_fn fn, void *ctx);
void link_write(struct link *link, const void *handle, size_t handle_len,
    uint64_t offset, const void *data, size_t len, link_reply_fn fn, void *ctx);

/* Addresses and bytes, as far as known. */
const char *link_peer_address(const struct link *link);
const char *link_local_address(const struct link *link);
uint64_t link_bytes_sent(const struct link *link);
uint64_t link_bytes_received(const struct link *link);
/* Bytes of WRITEs not yet acknowledged, for flow control: keep a stream below
 * LINK_WINDOW, all links together below OUTBOUND_WINDOW. */
size_t link_in_flight(const struct link *link);
size_t outbound_in_flight(const struct outbound *out);
#define LINK_WINDOW (4u * 1024 * 1024)
#define OUTBOUND_WINDOW (64u * 1024 * 1024)

#endif

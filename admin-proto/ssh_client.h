/*
 * A blocking client of the admin port, for the command line and the manager:
 * connects, checks the host key before anything secret is sent, logs in, speaks
 * SFTP.  No ssh_config, known_hosts or agent is read.
 *
 *     ssh_client_connect(&c, &options, &e);      // host key verified inside
 *     ssh_client_control(c, request, progress, ctx, &result, &e);
 *     ssh_client_close(c);
 */
#ifndef ADMIN_PROTO_SSH_CLIENT_H
#define ADMIN_PROTO_SSH_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define ADMIN_PORT 14983

/* The only algorithms that either end offers (security.md's reasons: no DH, no
 * GCM, no MAC but encrypt-then-MAC).  libssh's names; comma-separated. */
#define ADMIN_SSH_KEX "curve25519-sha256,curve25519-sha256@libssh.org"
#define ADMIN_SSH_KEY_TYPES "ssh-ed25519"
#define ADMIN_SSH_CIPHERS \
    "chacha20-poly1305@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr"
#define ADMIN_SSH_MACS \
    "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com"

struct admin_client;

struct admin_client_options {
    const char *host; /* name or address */
    uint16_t port;
    const char *source_address; /* of ours, in numbers; NULL: as routed */
    const char *user;
    const char *password;    /* NULL: use the key */
    const char *key_path;    /* OpenSSH private key, Ed25519; NULL: password */
    const char *fingerprint; /* "SHA256:..." that must be shown; NULL: ask */
    /* Called with the fingerprint shown when none is given; false refuses
     * (ERR_KEY_CHANGED).  Not called otherwise. */
    bool (*accept)(void *ctx, const char *fingerprint);
    void *ctx;
    int timeout_ms;   /* for connecting and for each reply; 0: 15 s */
    bool stop_at_key; /* only the host key: connect, show, close;
                                 without ACCEPT any key will do */
};

/* Errors tell the layers apart: ERR_RESOLVE, ERR_NO_ROUTE,
 * ERR_CONNECTION_REFUSED, ERR_NO_ANSWER, ERR_CLOSED (closed without a byte),
 * ERR_KEY_CHANGED, ERR_LOGIN, ERR_PROTOCOL, ERR_TIMEOUT; each with its hint. */
int admin_client_connect(struct admin_client **client,
    const struct admin_client_options *options, struct err *e);
void admin_client_close(struct admin_client *client);
/* True when the connection is lost or the node was silent for too long: nothing
 * but closing is left.  An error without it is the node's own answer. */
bool admin_client_is_broken(const struct admin_client *client);
/* "SHA256:..." of the host key shown; the peer's and our own address. */
const char *admin_client_fingerprint(const struct admin_client *client);
const char *admin_client_peer_address(const struct admin_client *client);
const char *admin_client_local_address(const struct admin_client *client);

/* Reads a whole file of at most MAX bytes. */
int admin_client_fetch(struct admin_client *client, const char *path,
    size_t max, struct buf *out, struct err *e);
/* Reads a file from OFFSET to its end, in order, a piece at a time; several
 * reads are under way at once.  A SINK that returns other than 0 ends it with
 * ERR_CANCELLED. */
int admin_client_fetch_to(struct admin_client *client, const char *path,
    uint64_t offset, int (*sink)(void *ctx, const void *data, size_t len),
    void *ctx, struct err *e);
/* Size of a file now. */
int admin_client_stat(struct admin_client *client, const char *path,
    uint64_t *size, struct err *e);
/* One request on /control: {"command": NAME, "args": {...}}.  PROGRESS may be
 * NULL and is called per progress line, with the object inside "progress",
 * borrowed.  The result is a new reference (any JSON value); a refusal is -1
 * with the node's own error.  WAIT_MS is how long the node may be silent, 0 as
 * timeout_ms; long commands pass more. */
int admin_client_control(struct admin_client *client, const char *command,
    json_t *args /* borrowed, may be NULL */,
    void (*progress)(void *ctx, json_t *line), void *ctx, int wait_ms,
    json_t **result, struct err *e);

/* TCP alone, with the same error codes; a connected descriptor, non-blocking
 * and close-on-exec, that notices a dead peer within a minute.  ADDRESS is the
 * peer's, in numbers.  SOURCE is one of ours, in numbers, or NULL.  The
 * resolver's own time is not part of TIMEOUT_MS. */
int admin_tcp_connect(const char *host, uint16_t port, const char *source,
    int timeout_ms, int *fd, char *address, size_t address_size, struct err *e);
/* "HOST", "HOST:PORT", "[V6]:PORT", "V6"; a fresh host string and the port,
 * ADMIN_PORT when none is given.  ERR_INVALID. */
int admin_address_parse(const char *text, char **host, uint16_t *port,
    struct err *e);
/* The reverse: brackets for IPv6. */
void admin_address_format(const char *host, uint16_t port, char *out,
    size_t size);
/* "SHA256:" and unpadded base64, from an SSH public key blob (RFC 4253). */
void admin_fingerprint(const void *blob, size_t len, char out[64]);

/* Prepares a session for a client: the lists above, no compression, and nothing
 * read from ssh_config, known_hosts or an agent.  The caller sets
 * SSH_OPTIONS_USER too, before it connects: libssh would ask NSS for one. */
struct ssh_session_struct;
int admin_ssh_options(struct ssh_session_struct *session, struct err *e);
/* Disconnects and frees SESSION (which may be NULL), and closes LENT_FD, the
 * descriptor that it had by SSH_OPTIONS_FD.  libssh 0.10 closes that itself
 * after some failures and leaves it open otherwise, so it is closed only while
 * it is the same socket as OWN_FD, a duplicate that stays the caller's. */
void admin_ssh_release(struct ssh_session_struct *session, int lent_fd,
    int own_fd);

#endif

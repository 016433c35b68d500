/*
 * Inside the session process: one SSH connection, its SFTP server and its
 * channel to the engine.  Only session_*.c include this.
 *
 *     session_main.c     start message, deadlines, the loop
 *     session_ssh.c      the libssh server: options, logins, what is refused
 *     session_stream.c   bytes between the SSH channel and the SFTP server
 *     session_backend.c  SFTP requests to the engine, its answers back
 */
#ifndef DAEMON_SESSION_H
#define DAEMON_SESSION_H

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admin-proto/role.h"
#include "admin-proto/sftp_server.h"
#include "base/err.h"
#include "base/hash.h"
#include "daemon/ipc.h"
#include "daemon/keys_openssh.h"

#define SESSION_QUEUE_MAX (8u * 1024 * 1024) /* towards engine or client */

struct session {
    /* The engine. */
    struct ipc_channel *engine;
    int64_t start_ms;
    int64_t login_deadline_ms;
    uint32_t keepalive_ms;
    uint8_t host_key[ED25519_BLOB_SIZE]; /* its public half */
    char *version;
    char peer[64];

    /* SSH. */
    ssh_bind bind;
    ssh_session ssh;
    ssh_event event;
    ssh_channel channel;
    struct ssh_server_callbacks_struct server_callbacks;
    struct ssh_channel_callbacks_struct channel_callbacks;
    struct ssh_counter_struct bytes;
    bool key_exchanged;

    /* Login. */
    unsigned probes;   /* keys asked about, requests without a method */
    unsigned failures; /* passwords and signatures refused */
    bool answered;     /* what session_ask asked */
    enum role login_role;
    uint8_t
        signature[ED25519_SIGNATURE_SIZE]; /* of the engine, or of the client
                                                  for the engine to check */
    bool has_signature;
    enum role role; /* ROLE_NONE until logged in */
    int64_t subsystem_deadline_ms;

    /* SFTP. */
    struct fxp_server *sftp;
    size_t output_sent; /* bytes at the front of the output that are sent */
    size_t input_at;    /* read from the channel, not yet fed */
    size_t input_len;
    size_t since_growth; /* bytes read since the window was opened wide */
    bool input_ended;

    bool told_to_end;  /* by the engine: it answers nothing more */
    int64_t linger_ms; /* the channel is over; until then the client may leave
                        * by itself, as OpenSSH's server lets it; 0: not yet */
    bool ending;       /* the loop stops; say goodbye if there is anybody */
    int status;        /* of the process */
};

/* Takes the client's descriptor; the engine signs for the host key. */
int session_ssh_open(struct session *s, int fd, struct err *e);
void session_ssh_close(struct session *s);
/* Ends the channel, with exit status 0. */
void session_ssh_close_channel(struct session *s);
/* One turn of libssh: takes what the client sent, as far as it is there. */
int session_ssh_turn(struct session *s, struct err *e);

/* The backend for fxp_server_start, with the session as context. */
extern const struct fxp_backend session_backend;
/* One message of the engine. */
bool session_take_message(void *ctx, struct ipc_message *m);
/* Blocks until the engine answers a login or a wish to sign, of which it fills
 * in login_role or the signature.  False when there is no answer: the session
 * is ending. */
bool session_ask(struct session *s, uint8_t type, const struct buf *question);

/* Moves bytes both ways until neither side can go on.  -1 when the session is
 * over because of an error. */
int session_stream(struct session *s, struct err *e);
/* No input is taken while the engine or the client owes us that much. */
bool session_stream_is_full(struct session *s);
/* Every answer there is was sent. */
bool session_stream_is_sent(struct session *s);
/* Everything the client asked for was answered and sent. */
bool session_stream_is_drained(struct session *s);

#endif

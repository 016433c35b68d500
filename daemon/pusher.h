/*
 * Inside the pusher process: many links, each an SSH connection of its own with
 * an SFTP client.  Only pusher_*.c include this.
 *
 *     pusher_main.c       the loop, the engine's messages, deadlines
 *     pusher_handshake.c  from a connected socket to a ready link
 *     pusher_stream.c     requests, replies, bytes
 *     pusher_fail.c       what went wrong, in words
 */
#ifndef DAEMON_PUSHER_H
#define DAEMON_PUSHER_H

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admin-proto/sftp_client.h"
#include "base/err.h"
#include "daemon/ipc.h"
#include "daemon/ipc_messages.h"
#include "daemon/proof.h"

enum push_stage {
    STAGE_KEX,  /* version and key exchange */
    STAGE_WAIT, /* host key shown; the engine says what next, and signs */
    STAGE_LOGIN,
    STAGE_CHANNEL,
    STAGE_SUBSYSTEM,
    STAGE_VERSION, /* SFTP INIT sent */
    STAGE_READY
};

struct push_request;

struct push_link {
    uint32_t number;        /* the tag of all its messages */
    struct push_link *next; /* of its bucket */
    struct push_link *all_next;
    struct push_link *all_prev;
    int fd;          /* ours */
    int copy;        /* libssh's, which it sometimes closes */
    uint32_t events; /* what epoll watches */
    bool dead;       /* freed at the end of the loop's turn */
    struct push_link *dead_next;

    enum push_stage stage;
    enum link_mode mode;
    char *user;
    char *password; /* wiped once used */
    uint8_t *login; /* our public key blob, or NULL; the engine has the key */
    size_t login_len;
    uint8_t proof[ED25519_SIGNATURE_SIZE];     /* the engine's, of our login */
    uint8_t exchange_hash[EXCHANGE_HASH_SIZE]; /* the first, and */
    uint8_t
        host_proof[ED25519_SIGNATURE_SIZE]; /* its signature by the server */
    bool host_proved;
    uint8_t *pinned; /* host key blob, or NULL */
    size_t pinned_len;
    int64_t deadline_ms;  /* of the whole handshake; 0 while waiting */
    int64_t time_left_ms; /* kept while waiting for the engine */

    ssh_session ssh;
    ssh_key key;
    ssh_channel channel;
    struct ssh_counter_struct bytes;
    int64_t bytes_told_ms;

    struct fxp_client *sftp;
    size_t output_sent;
    size_t since_growth;
    size_t bulk_sent; /* without a pause of some length */
    int64_t asked_us; /* when INIT was sent */
    struct push_request *requests;
    size_t pending;
    size_t pending_writes;
    int64_t progress_ms; /* last reply, or first request after none */
};

/* The channel to the engine. */
extern struct ipc_channel *pusher_engine;

/* Takes the handshake as far as it goes without waiting.  -1 with E set when
 * the link is over. */
int push_handshake(struct push_link *l, struct err *e);
/* After HOST_KEY, where there is to be a login: go on, with the engine's
 * signature in key mode.  False when that is missing. */
bool push_proceed(struct push_link *l, const uint8_t *proof, size_t proof_len);
/* Before the first link: this process signs nothing by itself. */
void push_set_hooks(void);

/* Moves bytes both ways until neither side can go on. */
int push_stream(struct push_link *l, struct err *e);
/* One IPC_LINK_REQUEST's body. */
int push_request(struct push_link *l, const uint8_t *body, size_t len,
    struct err *e);
void push_requests_free(struct push_link *l);
/* An idle link keeps no bulk buffer: there may be thousands.  True when there
 * was one. */
bool push_forget_bulk(struct push_link *l);
/* A peer that does not answer; ERR_TIMEOUT.  NOW is monotonic. */
int push_check_progress(struct push_link *l, int64_t now_ms, struct err *e);

void push_send(const struct push_link *l, uint8_t type, const struct buf *body);
/* The bytes so far; not more than once a second unless FORCE. */
void push_tell_bytes(struct push_link *l, bool force);

/* The connection is over or out of step: says why, as far as can be known. */
int push_fail_connection(struct push_link *l, struct err *e);
int push_fail_login(const struct push_link *l, struct err *e);
int push_fail_key(const struct push_link *l, const void *shown, size_t len,
    struct err *e);
int push_fail_timeout(const struct push_link *l, struct err *e);
int push_fail_subsystem(struct push_link *l, struct err *e);

#endif

/*
 * Inside the engine's side of outbound SSH.  Only outbound*.c include this.
 *
 *     outbound.c        the processes and the table of links
 *     outbound_link.c   the life of one link
 *     outbound_request.c  its requests and replies
 */
#ifndef DAEMON_OUTBOUND_LINK_H
#define DAEMON_OUTBOUND_LINK_H

#include "daemon/child.h"
#include "daemon/outbound.h"

enum link_stage { LINK_CONNECTING, LINK_GIVEN /* to the pusher */ };

struct link_request;

struct link {
    struct outbound *out;
    uint32_t number;
    enum link_stage stage;
    bool failed; /* told at the next turn of the loop, with ERROR */
    struct err error;
    struct link_callbacks callbacks;
    void *ctx;

    char *host;
    uint16_t port;
    enum link_mode mode;
    char *user;
    char *password;                      /* wiped when the pusher has it */
    const struct ed25519_key *login_key; /* borrowed; signs, and stays here */
    const void *login_blob;
    size_t login_blob_len;
    bool host_known; /* it was shown, and proved */
    uint8_t *pinned;
    size_t pinned_len;
    int64_t deadline_ms;

    char *peer_address;
    char *local_address;
    uint64_t bytes_sent;
    uint64_t bytes_received;

    uint32_t next_request;
    struct link_request *requests;
    struct link_request **requests_end;
    size_t in_flight;
};

/* --- outbound.c --- */
/* One message to a process, which is started if need be; -1 if that fails. */
int outbound_send(struct outbound *out, enum child_part part, uint8_t type,
    uint32_t number, const struct buf *body, int fd, struct err *e);
/* As above to a process that runs; nothing if it does not. */
void outbound_tell(struct outbound *out, enum child_part part, uint8_t type,
    uint32_t number, const struct buf *body);
void outbound_add_in_flight(struct outbound *out, size_t bytes);
void outbound_drop_in_flight(struct outbound *out, size_t bytes);
/* Gives the link a number; takes it back. */
void outbound_list_link(struct outbound *out, struct link *link);
void outbound_unlist_link(struct link *link);
/* Has link_fail_deferred called from the loop. */
void outbound_defer(struct outbound *out);

/* --- outbound_link.c --- */
bool link_take_message(struct link *link, struct ipc_message *m);
/* Frees, then tells the owner. */
void link_fail(struct link *link, const struct err *e);
void link_free(struct link *link);

/* --- outbound_request.c --- */
bool link_take_reply(struct link *link, struct reader *r);
void link_drop_requests(struct link *link);

#endif

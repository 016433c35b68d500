/*
 * Inside the server's half of SFTP: its handles and the requests that the
 * backend owes an answer.  Only fxp_server*.c include this.
 */
#ifndef ADMIN_PROTO_SFTP_SERVER_STATE_H
#define ADMIN_PROTO_SFTP_SERVER_STATE_H

#include "admin-proto/sftp_listing.h"
#include "admin-proto/sftp_server.h"

#define SFTP_MAX_PENDING 64
#define SFTP_OUTPUT_MAX (8 * 1024 * 1024)

enum slot_state {
    SLOT_FREE,
    SLOT_OPENING, /* reserved until the backend answers */
    SLOT_FILE,
    SLOT_FOLDER,
    SLOT_CLOSING /* unknown to the client, not yet let go by the backend */
};

struct slot {
    enum slot_state state;
    uint32_t generation;        /* so that a number is not soon used again */
    uint32_t handle;            /* SLOT_FILE: the backend's */
    struct fxp_listing listing; /* SLOT_FOLDER */
};

/* A request on its way through the backend. */
struct pending {
    bool used;
    uint32_t generation;
    uint8_t type;
    uint32_t id;
    struct slot *slot; /* OPEN, OPENDIR, CLOSE */
    uint32_t length;   /* READ */
};

struct fxp_server {
    const struct fxp_backend *backend;
    void *ctx;
    struct buf in;
    struct buf out;
    bool started; /* INIT has come */
    bool busy;    /* inside the loop over packets */
    struct err failed;
    size_t pending_count;
    struct pending pending[SFTP_MAX_PENDING];
    struct slot slots[SFTP_MAX_HANDLES];
};

/* Serves one request after INIT; the table of types is there. */
void fxp_server_serve(struct fxp_server *s, const struct fxp_packet *p);

#endif

/*
 * A folder's entries as READDIR sends them: "." and ".." first, each with the
 * line that `ls -l` prints.
 *
 *     struct fxp_listing l;
 *     fxp_listing_init(&l, entries, count);
 *     while (fxp_listing_next(&l, out, id)) ...   // one NAME packet each
 *     fxp_listing_release(&l);
 */
#ifndef ADMIN_PROTO_SFTP_LISTING_H
#define ADMIN_PROTO_SFTP_LISTING_H

#include "admin-proto/sftp_server.h"

#define SFTP_LONG_NAME_SIZE (SFTP_PATH_MAX + 96)

struct fxp_listing {
    struct fxp_attrs self; /* the folder's own */
    struct fxp_entry *entries;
    size_t count;
    size_t next;
};

/* Copies ENTRIES; "." among them gives the folder's own attributes. */
void fxp_listing_init(struct fxp_listing *l, const struct fxp_entry *entries,
    size_t count);
void fxp_listing_release(struct fxp_listing *l);
/* Appends one NAME packet with the entries that come next; false when all
 * were handed out. */
bool fxp_listing_next(struct fxp_listing *l, struct buf *out, uint32_t id);

/* "-rw-r--r--    1 lockstep lockstep     4096 Jan  2 03:04 NAME" */
void fxp_long_name(const char *name, const struct fxp_attrs *a,
    char out[SFTP_LONG_NAME_SIZE]);

#endif

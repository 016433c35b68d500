/*
 * A folder's entries as READDIR sends them: "." and ".." first, each with the
 * line that `ls -l` prints.
 *
 *     struct sftp_listing l;
 *     sftp_listing_init(&l, entries, count);
 *     while (sftp_listing_next(&l, out, id)) ...   // one NAME packet each
 *     sftp_listing_release(&l);
 */
#ifndef ADMIN_PROTO_SFTP_LISTING_H
#define ADMIN_PROTO_SFTP_LISTING_H

#include "admin-proto/sftp_server.h"

#define SFTP_LONG_NAME_SIZE (SFTP_PATH_MAX + 96)

struct sftp_listing {
    struct sftp_attrs self; /* the folder's own */
    struct sftp_entry *entries;
    size_t count;
    size_t next;
};

/* Copies ENTRIES; "." among them gives the folder's own attributes. */
void sftp_listing_init(struct sftp_listing *l, const struct sftp_entry *entries,
    size_t count);
void sftp_listing_release(struct sftp_listing *l);
/* Appends one NAME packet with the entries that come next; false when all
 * were handed out. */
bool sftp_listing_next(struct sftp_listing *l, struct buf *out, uint32_t id);

/* "-rw-r--r--    1 lockstep lockstep     4096 Jan  2 03:04 NAME" */
void sftp_long_name(const char *name, const struct sftp_attrs *a,
    char out[SFTP_LONG_NAME_SIZE]);

#endif

/*
 * An overwrite under way on a secondary: what overwrite_*.c share.
 *
 *   overwrite_receive.c  the stream into a staging file
 *   overwrite_verify.c   the staging file proved, and completed by what a
 *                        secondary adds: triggers, journal, nonce, state row
 *   overwrite_local.c    what is this server's own, brought into the staging
 *                        file
 *   overwrite_selected.c the change of content where there is such
 *   overwrite_exchange.c the change of content by exchanging two names
 *   overwrite_install.c  backups, and the change of content where that is not
 *                        possible
 *   overwrite_finish.c   the order of it all
 */
#ifndef SYNC_OVERWRITE_H
#define SYNC_OVERWRITE_H

#include "sync/replica_internal.h"

#define SQLITE_HEADER_SIZE 100

struct overwrite {
    struct bundle_header header;
    bool have_header;
    bool body_complete;
    bool failed;
    struct err first_error;
    struct buf head; /* bytes until the header is whole */
    struct buf trailer;
    struct hasher *hasher;
    void *zstd;   /* a ZSTD_DCtx */
    uint8_t *out; /* raw bytes on their way to the file */
    int fd;       /* the staging file */
    char *staging_path;
    uint64_t raw_done;
    uint64_t flushed; /* of it, on its way to the disk */
    uint8_t image_head[SQLITE_HEADER_SIZE];
};

/* overwrite_receive.c */
int overwrite_check_writer(const struct replica *r,
    const struct bundle_header *h, struct err *e);
/* Hash and signature of what was received. */
int overwrite_check_trailer(const struct replica *r, struct overwrite *o,
    struct err *e);

/* overwrite_verify.c */
struct staging {
    sqlite3 *db;
    struct schema *schema;
    struct dataset_state state; /* as it will be in the live file */
};
/* Opens the staging file; a schema that this server cannot write, or that is
 * not the header's, is refused. */
int staging_open(struct staging *s, const struct replica *r,
    const struct overwrite *o, struct err *e);
/* Proves structure and every row against the header; uses two threads. */
int staging_prove(struct staging *s, const struct overwrite *o, struct err *e);
/* Puts in what a secondary adds. */
int staging_complete(struct staging *s, const struct replica *r, struct err *e);
void staging_close(struct staging *s);
/* Opens a staging file again that was proved before, to be copied from. */
int staging_reopen(struct staging *s, const char *path, struct err *e);

/* overwrite_exchange.c */
/* Whether exchange_staging is likely to work, because nobody has the live file
 * open.  The live connection is made anew. */
int exchange_look(struct replica *r, bool *possible, struct err *e);
/* Makes the staging file the live file and keeps the old one as a backup, with
 * nothing but names changed; *DONE is false when somebody got hold of the live
 * file, or the file system cannot do it: then all is as before.  Closes
 * O->fd. */
int exchange_staging(struct replica *r, struct staging *s, struct overwrite *o,
    bool *done, struct err *e);

/* overwrite_local.c */
/* Brings what the schema's selection protects from the live file, of schema
 * LIVE, into the staging file.  ERR_HELD when a row of this server's own stands
 * where the primary has another. */
int staging_keep_local(struct staging *s, const struct replica *r,
    const struct schema *live, struct err *e);

/* overwrite_selected.c */
/* As install_staging, with everything that the selection protects or leaves out
 * as it is in the live file, which must be open. */
int install_selected(struct replica *r, struct staging *s, struct err *e);

/* overwrite_install.c */
bool live_uses_wal(sqlite3 *db);
/* A new name in backups/, whose folder is made; the caller frees. */
int install_backup_path(const struct replica *r, char **path, struct err *e);
/* Removes the log, its index and the journal of a live file that is not, or no
 * longer, in use. */
int install_remove_companions(const struct replica *r, struct err *e);
/* Keeps the old content in backups/; *PATH is the file, NULL when there was
 * nothing to keep.  The caller frees. */
int install_backup(struct replica *r, char **path, struct err *e);
/* Once it is installed only the last three backups stay; if it was not, the
 * new one, if any, goes. */
void install_settle_backup(const struct replica *r, const char *path,
    bool installed);
/* Makes the live file's content that of the staging file; closes the latter
 * where it becomes the live file. */
int install_staging(struct replica *r, struct staging *s,
    const char *staging_path, struct err *e);

#endif

/*
 * What the files of the replica share: the open replica itself, and the steps
 * that replica_*.c and overwrite_*.c are made of.  Nobody else includes this.
 *
 *   replica.c            open, close, trust, status, detach, copy
 *   replica_live.c       the live connection: opened, watched, reloaded
 *   replica_traces.c     triggers and journal: installed, read, or removed
 *   replica_examine.c    is the file still what was pushed?  heartbeat, scrub
 *   replica_apply.c      a bundle in one transaction, with retries
 *   replica_statements.c prepared statements of the tables
 *   replica_rows.c       rows of a bundle put and removed, the digest kept
 *   replica_kept.c       protected values of rows removed and put back
 *   replica_ddl.c        schema changes of a bundle
 *   replica_repair.c     drifted rows reported, and set right
 *   replica_snapshot.c   a consistent copy of a database
 *   overwrite_*.c        see overwrite.h
 */
#ifndef SYNC_REPLICA_INTERNAL_H
#define SYNC_REPLICA_INTERNAL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "sync/blocker.h"
#include "sync/bundle.h"
#include "sync/capture.h"
#include "sync/digest.h"
#include "sync/replica.h"
#include "sync/replica_statements.h"
#include "sync/schema.h"
#include "sync/state.h"

/* A COMMIT that waits keeps new readers out, so it waits this long only. */
#define REPLICA_WAIT_MS 250
/* Tries of one call; with the waits about two seconds. */
#define REPLICA_TRIES 7
#define REPLICA_PAUSE_US 40000
/* A bundle's body is held in memory whole. */
#define REPLICA_BODY_MAX ((size_t)256 << 20)
/* So is a row that it changes; no primary sends one of this size. */
#define REPLICA_ROW_MAX (16 << 20)

struct overwrite; /* an overwrite under way */

/* In the work folder, between two names: what an exchange replaced. */
#define REPLACED_NAME "replaced.db"

struct replica {
    char *name;
    char *live_path;
    char *work_dir;
    enum capture_mode drift_capture;
    bool foreign;
    void (*notice)(void *ctx, const char *kind, const char *text);
    void (*let_go)(void *ctx);
    void *notice_ctx; /* of both */

    sqlite3 *replaced; /* a live file that another took the place of, locked,
                          as long as somebody might have it open */
    int replaced_fd;   /* SQLite's descriptor of it */

    bool trusted;
    uint8_t cluster[ID_SIZE];
    uint64_t epoch;
    uint8_t bundle_key[ED25519_PUBLIC_SIZE];
    uint8_t next_bundle_key[ED25519_PUBLIC_SIZE];
    bool has_next_bundle_key;

    sqlite3 *db; /* NULL: the live file is missing or no database */
    struct schema *schema;
    struct row_table *tables; /* as many as the schema has */
    size_t table_count;
    sqlite3_stmt *begin;
    sqlite3_stmt *commit;
    int wal_frames;           /* in the log after the last commit of ours */
    int wal_frames_installed; /* of which an overwrite left so many */
    struct buf specials;      /* as last read or written */
    struct hasher *hasher;

    /* What was last agreed and what was last seen. */
    struct dataset_state state; /* the state row; zero when there is none */
    uint8_t replaced_writer[ID_SIZE]; /* of what was held before the file was
                                         replaced by another; else zero */
    struct digest actual;             /* what the rows really sum to */
    uint64_t actual_rows;
    bool fresh;   /* never examined since it was opened */
    bool suspect; /* examine thoroughly before the next answer */
    uint32_t data_version;
    uint32_t cookie;
    ino_t shm_inode; /* of the log's index that DB uses, or 0 */
    struct stat seen;

    bool drifted;
    bool needs_overwrite;
    uint64_t drift_rows;
    char reason[256];
    char blocker[128];

    struct overwrite *overwrite;
};

/* replica.c */
void replica_notice(struct replica *r, const char *kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Cluster, epoch and dataset name of a bundle; DATASET may be NULL. */
int replica_check_sender(const struct replica *r, const char *dataset,
    const uint8_t cluster[ID_SIZE], uint64_t epoch, struct err *e);

/* replica_live.c */
/* Opens the live file; 0 with r->db NULL when it is missing or no database
 * (the reason is kept). */
int live_open(struct replica *r, struct err *e);
void live_close(struct replica *r);
/* The connection, which R then has no more. */
sqlite3 *live_steal(struct replica *r);
/* Whether what R->db works on is not what has the name now: the file, or the
 * log beside it. */
bool live_moved(const struct replica *r);
/* Takes over the state row as the file has it; a first look, no proof. */
int live_read_state(struct replica *r, struct err *e);
/* Loads the schema anew; statements of the old one go. */
int live_load_schema(struct replica *r, struct err *e);
/* Whether anybody else may have touched the file since live_note. */
int live_touched(struct replica *r, bool *touched, struct err *e);
/* Takes stat() as the state of things; after a commit or checkpoint of ours. */
void live_note_stat(struct replica *r);
/* BEGIN IMMEDIATE and COMMIT, waiting at most REPLICA_WAIT_MS; a failed COMMIT
 * is rolled back. */
int live_begin(struct replica *r, struct err *e);
int live_commit(struct replica *r, struct err *e);
/* Shortens a long WAL; best effort.  IDLE: nobody waits for the answer. */
void live_checkpoint(struct replica *r, bool idle);
/* A consistent, durable copy at PATH (0600, replaced); writes the log back. */
int live_copy(struct replica *r, const char *path, struct err *e);

/* replica_traces.c */
/* Makes DB, of SCHEMA, have the triggers and journals that it should, or none;
 * *CHANGED when it had others. */
int replica_settle_traces(const struct replica *r, sqlite3 *db,
    const struct schema *schema, bool *changed, struct err *e);
/* The journal, in the open transaction; empty where there is none. */
int replica_read_journal(const struct replica *r, struct capture_keys *keys,
    struct err *e);

/* replica_examine.c */
/* Cheap when nothing moved; else finds out what became of the file.  Succeeds
 * also when that is bad news: see r->drifted and r->needs_overwrite. */
int replica_examine(struct replica *r, struct err *e);
/* Inside a write transaction, in which nobody can interfere any more: whether
 * what is replicated still is what the last examination found. */
int replica_examine_locked(struct replica *r, bool *same, struct err *e);
/* Sets E from r->drifted and r->needs_overwrite; 0 when neither. */
int replica_refuse_drift(const struct replica *r, struct err *e);
/* Forgets drift; after a commit that proved the file equal. */
void replica_mark_equal(struct replica *r);

/* replica_rows.c */
struct row_change {
    const char *table;
    const uint8_t *key; /* as asked for by the bundle */
    size_t key_len;
    const uint8_t *found; /* row tuple before, NULL when there was none */
    size_t found_len;
    const uint8_t *wanted; /* row tuple after, NULL for a removal */
    size_t wanted_len;
};

struct row_work {
    struct replica *r;
    struct digest digest; /* kept equal to the rows, change by change */
    uint64_t rows;
    bool clear_first;    /* removals of all put keys come first, too */
    bool collided;       /* a constraint failed: try again, clearing first */
    bool sequence_moved; /* an AUTOINCREMENT table got a row */
    bool specials_present;
    const uint8_t *specials;
    size_t specials_len;
    struct kept_rows *kept;  /* values of protected columns, meanwhile */
    struct buf specials_now; /* as written, when they were; else empty */
    /* Told of every row that differs from what it becomes; may be NULL. */
    void (*on_change)(void *ctx, const struct row_change *change);
    void *on_change_ctx;
};

/* replica_kept.c */
/* Puts the protected values of the row with that key aside, before it is
 * removed; nothing where its table has none. */
int kept_save(struct row_work *w, const struct table *t, const uint8_t *key,
    size_t key_len, struct err *e);
/* Puts them into the row that was inserted with that key, if there were any. */
int kept_restore(struct row_work *w, const struct table *t, const uint8_t *key,
    size_t key_len, struct err *e);
void kept_forget(struct row_work *w);

/* Applies the tables part of a body (from the table count on). */
int rows_apply(struct row_work *w, struct reader body, struct err *e);
/* The row that STMT, bound to its key, gives: 1, 0 when there is none, -1 with
 * E.  Asks for an overwrite when it is too large to be held. */
int rows_step(struct replica *r, const struct table *t, sqlite3_stmt *stmt,
    struct err *e);

/* replica_delta.c */
/* BODY with every change (op 3) made a whole row, appended to OUT. */
int rows_expand(struct replica *r, struct reader body, struct buf *out,
    struct err *e);
/* Takes a change's columns and their new values from BODY; -1 when they cannot
 * be those of T. */
int row_change_read(struct reader *body, const struct table *t,
    uint64_t *columns, const uint8_t **values, size_t *len);
/* Appends the row HERE with those VALUES in COLUMNS to OUT. */
void row_change_fill(const struct table *t, uint64_t columns,
    const uint8_t *values, size_t len, const struct buf *here, struct buf *out);
/* Makes the specials what they should be, after the rows. */
int rows_apply_specials(struct row_work *w, struct err *e);

/* replica_ddl.c */
/* Executes the DDL part of a body, and keeps digest and rows of W. */
int ddl_apply(struct row_work *w, struct reader *body, bool *changed,
    struct err *e);

/* replica_repair.c */
int repair_apply(struct replica *r, const struct bundle_header *h,
    const struct buf *body, bool clear_first, bool *collided, struct err *e);

/* Reads the specials part of a body into W. */
int body_read_specials(struct row_work *w, struct reader *body, struct err *e);

/* replica_snapshot.c */
/* A consistent, durable copy of a database at PATH (0600, replaced). */
int snapshot_take(sqlite3 *from, const char *path, struct err *e);

/* overwrite_exchange.c */
/* Lets go of R->replaced once nobody else has it open, or when CLOSING. */
void exchange_forget_replaced(struct replica *r, bool closing);
/* A file that an exchange left under the name it had meanwhile becomes a
 * backup. */
int exchange_keep_leftover(const struct replica *r, struct err *e);

/* overwrite_receive.c */
void overwrite_free(struct replica *r);
/* Removes what an overwrite left behind. */
void overwrite_remove_staging(const struct replica *r);

#endif

/*
 * A dataset where it is received: on a secondary.  Applies bundles in one
 * transaction, proves equality, knows drift, is overwritten.  All calls block;
 * each replica belongs to one thread at a time.
 *
 * Files: config.live_path (with the state row and drift triggers in it), and in
 * config.work_dir: staging.db while overwriting, backups/ (last 3), drift.jsonl
 * (0600: rows before repair, old and new).
 */
#ifndef SYNC_REPLICA_H
#define SYNC_REPLICA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "sync/bundle.h"
#include "sync/source.h"
#include "sync/state.h"

struct replica;

/* Opens the live database; a missing, damaged or foreign file opens too and
 * then reports no revision (state zero, NEEDS_OVERWRITE). */
int replica_open(struct replica **replica, const struct dataset_config *config,
    struct err *e);
void replica_close(struct replica *replica);
/* Closes a live file that was replaced; the next look opens the new one. */
void replica_drop_moved(struct replica *replica);
/* Who may write: set on enrolment and at start, before any apply. */
void replica_trust(struct replica *replica, const uint8_t cluster[ID_SIZE],
    uint64_t epoch, const uint8_t bundle_key[ED25519_PUBLIC_SIZE]);
/* A second key whose signature counts as much, until the next replica_trust:
 * the successor that the primary announced.  NULL for none. */
void replica_trust_next(struct replica *replica,
    const uint8_t next_key[ED25519_PUBLIC_SIZE]);

struct replica_status {
    struct dataset_state state; /* zero when there is none */
    bool drifted;
    uint64_t drift_rows;  /* known rows that differ */
    bool needs_overwrite; /* no revision, or drift that rows cannot mend */
    char reason[256];     /* for people: what drifted, or who blocks */
    char blocker[128];    /* "sqlite3 (pid 17)" while a commit waits */
};

/* Applies a whole CHANGES or REPAIR bundle.  Success: durable and equal.
 * Errors: ERR_SIGNATURE, ERR_CORRUPT, ERR_OTHER_CLUSTER, ERR_STALE_EPOCH,
 * ERR_OTHER_WRITER, ERR_DIVERGED, ERR_GAP, ERR_SCHEMA, ERR_DRIFTED, ERR_DIGEST,
 * ERR_BUSY, ERR_NO_SPACE, ERR_HELD.  The database is unchanged then. */
int replica_apply(struct replica *replica, const void *bundle, size_t len,
    struct err *e);
/* Whether the log is long enough to be written back, which replica_checkpoint
 * does: after the acknowledgement, since nobody waits for it. */
bool replica_wants_checkpoint(const struct replica *replica);
void replica_checkpoint(struct replica *replica);
/* Answers a heartbeat: 0 only when revision and digest are the ones held and
 * nobody else touched the file since our last check (data_version, cookie,
 * HAS_MOVED, stat), or the journal or a scrub shows that it is equal anyway.
 * ERR_GAP when behind, ERR_DIVERGED, ERR_DRIFTED, ERR_NEEDS_OVERWRITE. */
int replica_heartbeat(struct replica *replica, const uint8_t cluster[ID_SIZE],
    uint64_t epoch, const uint8_t writer[ID_SIZE], uint64_t revision,
    const struct digest *digest, struct err *e);
/* Recomputes the digest from all rows; drift it finds is in the status. */
int replica_scrub(struct replica *replica, struct err *e);
void replica_status(struct replica *replica, struct replica_status *status);
/* Drifted keys, as source_repair takes them, at most MAX; and for people as
 * JSON [{"table","key"}].  Either pointer may be NULL. */
int replica_drift(struct replica *replica, size_t max, struct buf *keys,
    json_t **list, struct err *e);

/* Overwrite, fed with the bytes of an OVERWRITE bundle in any pieces.  begin
 * checks nothing yet; the first pieces carry the header: cluster, epoch, writer
 * and disk space are refused there, before anything is written.  FORCE allows
 * what otherwise is held (a local revision unknown to the primary is the
 * primary's decision, so this end only checks writer and epoch). */
int replica_overwrite_begin(struct replica *replica, struct err *e);
int replica_overwrite_write(struct replica *replica, const void *data,
    size_t len, struct err *e);
/* Verifies (signature, quick_check, digest), keeps a backup, notes drift, and
 * installs.  Success: durable and equal. */
int replica_overwrite_finish(struct replica *replica, struct err *e);
void replica_overwrite_abort(struct replica *replica);

/* Standalone again: triggers, journal and state row go, rows stay. */
int replica_detach(struct replica *replica, struct err *e);
/* A consistent copy of the live database at PATH (for snapshot.db). */
int replica_copy(struct replica *replica, const char *path, struct err *e);

#endif

/*
 * A dataset where it is written: on a primary or a standalone node.  Finds what
 * changed in the live database, publishes it as revisions, keeps history, makes
 * bundles.  All calls block; each source belongs to one thread at a time (the
 * daemon runs them on the dataset's strand).
 *
 *     source_open(&s, &config, writer, &e);
 *     source_publish(s, &result, &e);            // a new revision, or none
 *     source_bundle(s, from, &from_digest, &out, &e);  // for a secondary there
 *     source_trim(s, &e);                        // after the push left
 *     source_write_back(s, &e);                  // in a quiet moment after
 *     source_close(s);
 *
 * Files: config.live_path, and in config.work_dir: published.db, history.db.
 */
#ifndef SYNC_SOURCE_H
#define SYNC_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "sync/author.h"
#include "sync/bundle.h"
#include "sync/change.h"
#include "sync/shape.h"
#include "sync/state.h"

/* How a primary finds what changed in a live database; a secondary, drift. */
enum capture_mode {
    CAPTURE_TRIGGERS, /* triggers of ours note the keys of changed rows */
    CAPTURE_COMPARE   /* nothing of ours in the file: both copies are walked */
};

struct dataset_config {
    const char *name;
    const char *live_path;
    const char *work_dir;            /* exists; STATE_DIR/datasets/NAME */
    uint64_t history_bytes;          /* kept at most; default 256 MiB */
    int64_t history_age_ms;          /* default 30 days */
    int delete_guard_percent;        /* default 20; 0 is off */
    enum capture_mode capture;       /* of a source */
    enum capture_mode drift_capture; /* of a replica; compare: by scrubs */
    /* Of a source: what is replicated (canonical, sync/selection.h); NULL: all.
     * A replica goes by what its file says. */
    const char *selection;
    bool foreign; /* another application's file: made anew on a secondary, it
                     has SQLite's usual journal mode, which the application may
                     change at every connection, and not WAL */
    bool off; /* a source takes its traces out of the live file and publishes
                 nothing until it is opened again without */
    /* Tells the daemon something that an administrator should read as an event;
     * KIND is a short word ("compare", "overwrite-needed", "drift"). */
    void (*notice)(void *ctx, const char *kind, const char *text);
    /* Asks the daemon to close what it has open of a replica's live file, which
     * another file is about to take the place of; may be NULL. */
    void (*let_go)(void *ctx);
    void *ctx;
};

struct source;

struct publish_result {
    bool published;             /* a new revision was made */
    struct dataset_state state; /* as of now */
    uint64_t changed_rows;
    bool compared;              /* found by compare instead of triggers */
    const char *compare_reason; /* static text, or NULL */
};

/* Opens or creates work files, installs triggers, audits (compare) and
 * publishes what the audit found, unless held.  A dataset that is held opens
 * fine: see source_held.  WRITER is this engine start's random id. */
int source_open(struct source **source, const struct dataset_config *config,
    const uint8_t writer[ID_SIZE], struct err *e);
void source_close(struct source *source);

/* Makes the published copy equal to the live database.  ERR_HELD when going on
 * would lose something (the reason is kept; see source_held); ERR_BUSY when the
 * live file is locked for longer than the deadline. */
int source_publish(struct source *source, struct publish_result *result,
    struct err *e);
/* As source_publish, and finds what triggers did not see although they saw
 * other writes since (a blob written in place, triggers switched off):
 * compares, if anything moved.  Costs what a compare costs. */
int source_publish_audited(struct source *source, struct publish_result *result,
    struct err *e);
/* Whether the live database may hold something unpublished.  Cheap. */
int source_unpublished(struct source *source, bool *unpublished, struct err *e);
/* Closes a live file that was replaced; the next publish opens the new one. */
void source_drop_moved(struct source *source);
/* Trims the journal of what was published.  ERR_BUSY is harmless: the next trim
 * does it. */
int source_trim(struct source *source, struct err *e);
/* Writes back the logs of what was trimmed, and cuts history back.  Takes long
 * where much was changed; ERR_BUSY is harmless. */
int source_write_back(struct source *source, struct err *e);
/* NULL or why nothing is published until source_accept. */
const char *source_held(const struct source *source);
/* Publishes what is held, or takes the live file as it is now (installing
 * triggers anew, comparing). */
int source_accept(struct source *source, struct publish_result *result,
    struct err *e);
/* Recomputes the digest of the published copy from its rows. */
int source_verify(struct source *source, bool *equal, struct err *e);
void source_state(const struct source *source, struct dataset_state *state);
/* Bytes of the published copy's file. */
uint64_t source_bytes(struct source *source);
/* Sets cluster and epoch (first add, promotion) durably in the state row. */
int source_set_cluster(struct source *source, const uint8_t cluster[ID_SIZE],
    uint64_t epoch, struct err *e);

/* Whether history (or the current revision) holds that revision with that
 * digest, and a chain of changes from there to now. */
int source_knows(struct source *source, uint64_t revision,
    const struct digest *digest, bool *known, bool *chained, struct err *e);
/* A sealed bundle from FROM (which source_knows as chained), appended to OUT,
 * with its header in *MADE (may be NULL).  It leads to the current revision,
 * however many there are between, unless one changed the schema: that one is a
 * bundle of its own, and so is all before it.  Then the caller goes on from
 * where the bundle leads. */
int source_bundle(struct source *source, uint64_t from,
    const struct bundle_signer *signer, struct buf *out,
    struct bundle_header *made, struct err *e);
/* A sealed REPAIR bundle that sets the given keys to their rows as of REVISION,
 * which source_knows as chained; the rows of an older one come from history.
 * ERR_NEEDS_OVERWRITE when they cannot: the schema was changed since, or
 * history does not lead there.  KEYS: varint count, then each: table name
 * (varint length, bytes), varint length, key tuple; ERR_CORRUPT when malformed.
 */
int source_repair(struct source *source, uint64_t revision, const void *keys,
    size_t keys_len, const struct bundle_signer *signer, struct buf *out,
    struct err *e);

/* A pinned image of the published copy: readable from any thread, one at a
 * time, while publishing goes on. */
struct image;
int source_image_open(struct source *source, struct image **image,
    struct err *e);
uint64_t image_size(const struct image *image);
void image_state(const struct image *image, struct dataset_state *state);
/* Reads up to LEN bytes at OFFSET; *GOT is less only at the end. */
int image_read(struct image *image, uint64_t offset, void *data, size_t len,
    size_t *got, struct err *e);
void image_close(struct image *image);

/* An OVERWRITE bundle as a stream: header, zstd image, trailer.  REPLACES is
 * what the server said it holds (0 and zero: nothing): it goes into
 * from_revision and digest_before, by which a primary that did not write that
 * revision shows that it knows what it replaces. */
struct overwrite_stream;
int overwrite_stream_open(struct image *image, const char *dataset,
    uint64_t replaces_revision, const struct digest *replaces_digest,
    const struct bundle_signer *signer, struct overwrite_stream **stream,
    struct err *e); /* takes the image over, also on error */
/* Appends the next at most MAX bytes to OUT; *LAST when the bundle ended. */
int overwrite_stream_next(struct overwrite_stream *stream, size_t max,
    struct buf *out, bool *last, struct err *e);
/* HURRIED: compress less, because the link takes more than is made; from the
 * next few megabytes on. */
void overwrite_stream_hurry(struct overwrite_stream *stream, bool hurried);
/* Raw bytes of the image read so far, and in all. */
void overwrite_stream_progress(const struct overwrite_stream *stream,
    uint64_t *done, uint64_t *total);
void overwrite_stream_close(struct overwrite_stream *stream);

/* Notes that WHO changed what the journal of the live database shows to differ
 * (sync/author.h); the revision that publishes it will say so. */
void source_note_author(struct source *source, const char *who,
    const struct author_marks *before, const struct author_marks *after);

/* What history holds, newest first, at most MAX entries, as a JSON array:
 * [{revision, time, rows, added, changed, removed, who, found, reason, ddl,
 * whole, digest, writer}].  FOUND is "triggers" or "compare", WHOLE that its
 * rows were too many to keep; null is not known. */
struct json_t;
int source_history(struct source *source, size_t max, struct json_t **list,
    struct err *e);

/* Where rows that differ go, one at a time. */
struct diff_sink {
    /* One statement of a schema change; OP '+' is new, '-' is gone. */
    void (*schema)(void *ctx, char op, const char *sql, size_t len);
    /* One row (struct change), with the names of its table on either side, of
     * which one or both may be NULL: not known.  -1 with E stops. */
    int (*row)(void *ctx, const struct change *c, const struct shape *old,
        const struct shape *new, struct err *e);
    /* A row too large to be shown, by its key; OP '+', '-' or '~'. */
    int (*large)(void *ctx, char op, const char *table, const void *key,
        size_t key_len, const struct shape *shape, struct err *e);
    void *ctx;
};

struct diff_summary {
    uint64_t from_revision;
    uint64_t to_revision;
    bool whole;           /* everything would be sent */
    bool counted;         /* of WHOLE: all the same every row was given */
    char why[256];        /* of WHOLE */
    uint64_t total;       /* of WHOLE: rows to send; 0 is not known */
    uint64_t more;        /* changes of history beyond those given */
    struct json_t *entry; /* of source_show: as in source_history; owned */
};

/* What the next publish would send, without publishing. */
int source_preview(struct source *source, const struct diff_sink *sink,
    struct diff_summary *summary, struct err *e);
/* From what somebody holds who is at REVISION with DIGEST to what is published
 * now; whole when history does not lead there. */
int source_difference(struct source *source, uint64_t revision,
    const struct digest *digest, const struct diff_sink *sink,
    struct diff_summary *summary, struct err *e);
/* The newest revision that was there before UTC_MS, and its digest; 0 when
 * history does not reach back so far. */
int source_revision_at(struct source *source, int64_t utc_ms,
    uint64_t *revision, struct digest *digest, struct err *e);
/* The given keys (as for source_repair) as they are published: changes with an
 * old_key and, where there is such a row, the new key and row. */
int source_published_rows(struct source *source, const void *keys,
    size_t keys_len, const struct diff_sink *sink, struct err *e);
/* What one revision changed; ERR_NOT_FOUND when history does not hold it. */
int source_show(struct source *source, uint64_t revision,
    const struct diff_sink *sink, struct diff_summary *summary, struct err *e);

#endif

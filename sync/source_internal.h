/*
 * The inside of a source, shared by source*.c only.
 *
 *   source.c           life, state, questions
 *   source_live.c      the live file: is it the one that we know?
 *   source_pace.c      all of the live file read, without keeping writers out
 *   source_rest.c      the live file of another application between two looks
 *   source_writable.c  whether its schema can still be replicated
 *   source_traces.c    what is ours in the live file: put there, taken away
 *   source_base.c      the live file without its log
 *   source_older.c     a file without a nonce that may be an older copy
 *   source_collect.c   what changed, from journal or compare
 *   source_pairs.c     rows looked up in both files at once
 *   source_guard.c     mass deletion
 *   source_newest.c    rows that stand as before the newest revision
 *   source_apply.c     the same changes made in the published copy
 *   source_publish.c   a revision from beginning to end
 *   source_ddl.c       schema changes repeated in the published copy
 *   source_rebuild.c   the published copy made anew from the live file
 *   source_copy.c      the copying itself: by pages, or by rows
 *   source_select.c    what is replicated of the live file
 *   source_history.c   history.db
 *   source_show.c      history for people
 *   source_diff.c      what would be sent
 *   source_bundle.c    bundles out of history
 *   source_trim.c      the journal emptied of what is published
 *   source_verdict.c   what was held is held while nothing moves
 *   source_repair.c    bundles that mend drift
 *   source_image.c     the published copy as a file image
 */
#ifndef SYNC_SOURCE_INTERNAL_H
#define SYNC_SOURCE_INTERNAL_H

#include <sqlite3.h>
#include <sys/stat.h>
#include <time.h>

#include "sync/author.h"
#include "sync/capture.h"
#include "sync/pages.h"
#include "sync/source.h"

/* A read of the live database waits this long for a lock, a trim this long. */
#define SOURCE_READ_WAIT_MS 2000
#define SOURCE_TRIM_WAIT_MS 50
/* More changes than this in one revision are not kept row by row: the published
 * copy is made anew, page by page, and the revision is a barrier.  Several
 * copies of them are in memory at a time. */
#define SOURCE_CHANGES_MAX ((size_t)8 << 20)
/* A bundle ends before the revision that makes what history keeps of it more
 * than this, unless that is its first. */
#define SOURCE_CHAIN_MAX SOURCE_CHANGES_MAX
/* Rows that are looked up for a bundle. */
#define SOURCE_BODY_MAX ((size_t)16 << 20)

/* What stat() says of the live file; our own commits move it too. */
struct file_mark {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified;
    struct timespec changed;
};

/* What the live file was when its changes were held; see source_verdict.c. */
struct held_verdict {
    bool kept;
    bool connected; /* on the connection that is open still */
    uint32_t data_version;
    uint32_t cookie;
    struct file_mark mark;
    struct log_mark log;
};

/* Beyond this many rows a publish makes room for their pages. */
#define SOURCE_ROOM_ROWS 100
/* Distinct sets of changed columns whose updates are kept; a publish repeats
 * few. */
#define SOURCE_UPDATES_KEPT 4

/* Statements kept per table, prepared when first used. */
struct table_statements {
    sqlite3_stmt *live_select;
    sqlite3_stmt *select; /* the others are on the published copy */
    sqlite3_stmt *insert;
    sqlite3_stmt *erase;
    struct {
        uint64_t columns;
        sqlite3_stmt *stmt;
    } updates[SOURCE_UPDATES_KEPT];
    unsigned next_update;
};

/* The newest revision's changes, from its publish until the trim: whoever is at
 * the revision before is sent these, without a look at history or rows. */
struct newest_changes {
    uint64_t revision; /* 0: none are kept */
    struct change_set set;
    struct digest digest_before;
    bool specials;
};
/* Beyond this they are not kept. */
#define SOURCE_NEWEST_MAX ((size_t)4 << 20)

struct source {
    struct dataset_config config; /* strings are our own */
    uint8_t writer[ID_SIZE];
    char *published_path;
    char *history_path;
    sqlite3 *published;
    sqlite3 *history;
    sqlite3 *live;
    sqlite3_stmt *history_insert;
    uint8_t named_schema[HASH_SIZE]; /* history has its names */
    struct authors *authors;
    struct dataset_state state;
    struct schema *schema; /* of the published copy; NULL before the first */
    struct table_statements *statements; /* one per table of SCHEMA */
    struct buf specials;                 /* of the published copy */
    struct newest_changes newest;
    struct buf needs_compare;
    int published_log_pages, history_log_pages;

    /* The live file as of the last publish that went well, and as seen by the
     * one under way. */
    bool live_known;
    struct file_mark mark, seen_mark;
    uint32_t data_version, seen_version;
    uint32_t cookie;
    ino_t shm_inode; /* of the log's index that the connection uses, or 0 */
    ino_t log_inode; /* of the log, likewise */
    bool left_log;   /* the file was replaced, its log was not */
    struct file_mark base_mark;  /* the main file was looked at so */
    uint64_t base_revision;      /* of the nonce in it then */
    bool nonce_before;           /* the file seen has the nonce that a trim will
                                  * replace: as of before the publish, maybe */
    struct capture_keys journal; /* published, and not trimmed yet */
    bool trim_settled;           /* and so is what else is noted there */
    bool untrimmed;              /* a nonce is to be written */
    bool unwritten;              /* the log has what is published */
    uint64_t retained_revision;  /* when history was last cut back */
    bool roomy;                  /* see source_make_room */
    const char *must_compare;    /* why, or NULL */
    bool check_file;             /* another inode: look for damage first */
    bool auditing;               /* this publish compares what moved */
    bool unaudited;              /* rows were published as the journal says */
    /* For CAPTURE_COMPARE, see source_older.c. */
    bool maybe_older;                  /* start, or replaced: ask history */
    bool replaced;                     /* another file than before, surely */
    uint32_t file_change, seen_change; /* SQLite's counter in the main file */
    struct log_mark log, seen_log;
    struct log_mark pinned; /* the read transaction's own; unset if unknown */
    int64_t looked_at_ms, settled_at_ms; /* when SEEN_LOG, LOG was read */
    /* See source_pace.c. */
    int64_t locked_us; /* when the read transaction began */
    bool disturbed;    /* somebody wrote while it was let go */
    int tries;         /* of this publish that were */
    int starved;       /* publishes in a row that were */
    bool at_rest; /* the connection was closed, LOG says whether that matters */
    char *missing; /* tables of the selection that are not there, as told */
    char *held;
    struct held_verdict verdict;
};

/* source_live.c */
enum live_look { LIVE_SAME, LIVE_CHANGED, LIVE_ERROR };
void source_hold(struct source *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Sets E to ERR_HELD with the reason kept; returns -1. */
int source_held_error(const struct source *s, struct err *e);
/* Opens the live file if need be, begins a read transaction on it, and says
 * whether anything moved since the last look.  ACCEPT skips the nonce. */
enum live_look source_live_begin(struct source *s, bool accept, struct err *e);
void source_live_end(struct source *s);
void source_live_close(struct source *s);
/* After ERR_CORRUPT in the read transaction: holds when it is the live file
 * that is damaged. */
void source_live_blame(struct source *s, struct err *e);
/* Whether what the open connection works on is not what has the name now: the
 * file, or the log beside it. */
bool source_live_moved(const struct source *s);
int source_live_mark(struct source *s, struct file_mark *mark, struct err *e);
/* Whether nothing of ours may be in the live file. */
static inline bool
source_leaves_no_trace(const struct source *s)
{
    return s->config.capture == CAPTURE_COMPARE;
}
bool source_same_mark(const struct file_mark *a, const struct file_mark *b);

/* source_base.c */
/* A nonce begins with the revision whose trim writes it, so that nonces have an
 * order; the rest is random. */
void source_new_nonce(uint64_t revision, uint8_t nonce[ID_SIZE]);
uint64_t source_nonce_revision(const uint8_t nonce[ID_SIZE]);
/* False while the dataset is compared: then the file has none. */
bool source_nonce_is_set(const uint8_t nonce[ID_SIZE]);
bool source_log_is_empty(const struct source *s);
/* The log was written back whole, just after a trim. */
void source_base_complete(struct source *s);
/* Holds when the main file, without its log, is older than it was. */
int source_base_check(struct source *s, const struct file_mark *mark,
    struct err *e);

/* Opens the live file unless it is open; begins a read transaction there. */
int source_live_open(struct source *s, struct err *e);
int source_live_read(struct source *s, struct err *e);

/* source_writable.c */

/* Holds the source when a table of LIVE cannot be written by a secondary. */
int source_check_writable(struct source *s, const struct schema *live,
    struct err *e);

/* source_pace.c */
/* Every row compared: how to get from the published copy to the live file, of
 * schema LIVE; ERR_INVALID beyond MAX_BYTES.  The open read transaction is
 * given up and begun again where it makes writers wait: ERR_BUSY, and
 * S->disturbed, when somebody wrote meanwhile. */
int source_compare(struct source *s, const struct schema *live,
    struct change_set *set, size_t max_bytes, struct err *e);
/* The same of any number of changes, given to DRAIN; one of more than
 * SOURCE_CHANGES_MAX is given without its rows. */
struct compare_drain;
int source_compare_all(struct source *s, const struct schema *live,
    const struct compare_drain *drain, struct err *e);
/* Begins the read transaction again, of what was seen; ERR_BUSY likewise. */
int source_live_resume(struct source *s, struct err *e);
/* Copies the live file as it was seen into DB, likewise. */
int source_copy_pages(struct source *s, sqlite3 *db, struct err *e);
/* Whether a publish that ended is to be tried once more: it was disturbed. */
bool source_try_again(struct source *s);

/* source_rest.c */
/* Ends the read transaction.  A log is given free as well where we leave no
 * trace: an open connection would keep it from being written back when the last
 * program goes, and the journal mode from being changed. */
void source_live_rest(struct source *s);
/* In the first read transaction after a rest: makes data_version say whether
 * anybody committed meanwhile. */
void source_live_wake(struct source *s);
/* Whether a file at rest may have been written to since. */
bool source_live_stirred(struct source *s);

/* source_traces.c */
/* Installs triggers and, in a file that has none yet or is accepted, the nonce;
 * or, for CAPTURE_COMPARE, removes what there is of ours.  Outside of any
 * transaction. */
int source_live_install(struct source *s, const struct schema *live_schema,
    bool accept, bool *installed, struct err *e);

/* source_older.c */
/* Looks for signs that the file, in the read transaction just begun, is another
 * than before; MOVED: its mark is. */
void source_older_look(struct source *s, bool moved);
/* The file seen is the one that is published now. */
void source_older_settled(struct source *s);
/* Holds, as one that stands as WHEN ("at", "before") REVISION; returns -1. */
int source_hold_older(struct source *s, const char *when, uint64_t revision,
    struct err *e);
/* Holds when the live file may be an older copy and its rows are those of an
 * older revision: DIGEST is that of its rows. */
int source_older_check(struct source *s, const struct digest *digest,
    const uint8_t schema_hash[HASH_SIZE], struct err *e);

/* source_collect.c */
struct collection {
    struct change_set set;
    struct capture_keys journal;
    struct buf specials; /* the live file's */
    bool specials_changed;
    const char *compare_reason;
};
/* Reads the changes between published copy (of schema S->schema) and live file
 * (of the same tables), in the open read transaction. */
int source_collect(struct source *s, struct collection *c, struct err *e);
/* A row as published and as it is, by one key; reused from row to row. */
struct row_pair {
    int old, new; /* as source_find_row says */
    struct buf old_key, old_row, new_key, new_row;
};
/* Whether the two differ: 1, 0, or -1 with E. */
int source_row_differs(struct source *s, const struct capture_key *k,
    struct row_pair *p, struct err *e);
void row_pair_release(struct row_pair *p);
/* The journal of the live file; none where we leave no trace. */
int source_read_journal(struct source *s, struct capture_keys *keys,
    struct err *e);
void collection_release(struct collection *c);

/* source_pairs.c */
struct row_pairs;
struct row_pairs *row_pairs_new(void);
void row_pairs_free(struct row_pairs *pairs);
const struct row_pair *row_pairs_get(const struct row_pairs *pairs, size_t i);
/* Looks the first of COUNT keys up on both sides, *DONE of them: as many as
 * are held at a time, and at least one. */
int source_find_pairs(struct source *s, const struct capture_key *const *keys,
    size_t count, struct row_pairs *pairs, size_t *done, struct err *e);

/* source_guard.c */
/* Holds when SET would delete too much. */
int source_guard(struct source *s, const struct change_set *set, struct err *e);
/* The same by counting, for tables that a schema change rebuilt or dropped. */
int source_guard_counts(struct source *s, const struct schema *live,
    struct err *e);
/* The same by looking every published key up, when what changed is too much to
 * be listed. */
int source_guard_keys(struct source *s, const struct schema *live,
    struct err *e);

/* source_newest.c */
/* Holds when the rows of the newest revision are gone from a file that may be
 * as of before it, and no trigger noted that. */
int source_guard_newest(struct source *s, const struct collection *c,
    struct err *e);
/* Whether a row stands in the live file as it did before REVISION, although it
 * is published otherwise and no trigger noted it. */
int source_lacks_revision(struct source *s, uint64_t revision, bool *found,
    struct err *e);
/* The same of the revisions that were not trimmed yet. */
int source_lacks_untrimmed(struct source *s, bool *found, struct err *e);
/* Whether the journal names every row that a compare found changed. */
bool source_all_noted(const struct collection *c);

/* source_apply.c */
void source_statements_reset(struct source *s);
/* Makes SET in the published copy, in the open write transaction.  With UPDATES
 * rows that live on are updated in place, which is cheaper, and fails with
 * ERR_INVALID when a UNIQUE value moves between them. */
int source_apply(struct source *s, const struct change_set *set, bool updates,
    struct err *e);
/* Whether live file and published copy are read with room for many pages;
 * taken back at the end of a publish. */
void source_make_room(struct source *s, bool room);
/* Looks a key up: 1 found (KEY and ROW filled), 0 not, -1 with E; or, with
 * nothing filled, ROW_TOO_LARGE: stored in more bytes than
 * SOURCE_CHANGES_MAX. */
#define ROW_TOO_LARGE 2
int source_find_row(struct source *s, const struct table *t, bool live,
    const void *key, size_t key_len, struct buf *found_key, struct buf *row,
    struct err *e);

/* source_ddl.c */
struct ddl_attempt {
    struct buf ddl; /* the list that was executed; the caller's to release */
    char why[256];  /* there is none */
    struct dataset_state *next; /* digest, rows and schema hash follow */
};
/* Brings the published copy to the schema LIVE in its open write transaction,
 * in the cheapest way that leads there, and takes that schema over.  *SAME is
 * false when there is no such way: then the caller rolls back. */
int source_repeat_ddl(struct source *s, const struct schema *live,
    struct ddl_attempt *attempt, bool *same, struct err *e);
/* Reads the published copy's schema again, after a rollback took DDL back. */
int source_undo_ddl(struct source *s, struct err *e);

/* source_rebuild.c: makes the published copy anew from the live file, in whose
 * read transaction the caller is, and commits NEXT (digest, rows and schema
 * hash are filled in) as a barrier.  Ends that read transaction. */
int source_rebuild(struct source *s, const struct dataset_state *next,
    const char *why, struct err *e);
/* Opens the published copy; *USABLE is false when it is missing or damaged. */
int source_open_published(struct source *s, bool *usable, struct err *e);
void source_close_published(struct source *s);

/* source_history.c */
struct history_entry {
    uint64_t revision;
    int64_t made_ms;
    uint64_t rows;
    struct digest digest_before, digest_after;
    uint8_t schema_before[HASH_SIZE], schema_after[HASH_SIZE];
    const struct buf *ddl;      /* varint count, counted; NULL: none */
    const struct buf *specials; /* NULL: unchanged */
    const struct buf *changes;  /* NULL: a barrier */
    bool compared;
    const char *reason; /* why compared; NULL: triggers noted it */
    const char *who;    /* who made the changes; NULL: not known */
    uint64_t added, changed, removed;
    uint64_t total; /* rows of all tables afterwards */
};
int history_open(struct source *s, struct err *e);
int history_discard_above(struct source *s, uint64_t revision, struct err *e);
/* Adds what that revision changed; nothing for a barrier or one not kept. */
int history_changes(struct source *s, uint64_t revision, struct change_set *set,
    struct err *e);
int history_newest(struct source *s, uint64_t *revision, struct err *e);
/* What history tells of REVISION itself: when it was made (0: not known), and,
 * unless *KNOWN is false, its specials, appended to SPECIALS. */
int history_recall(struct source *s, uint64_t revision, int64_t *made_ms,
    bool *known, struct buf *specials, struct err *e);
int history_add(struct source *s, const struct history_entry *h, struct err *e);
/* Keeps the names of S->schema, by which its revisions can be shown later. */
int history_name_schema(struct source *s, struct err *e);
/* What one revision changed, with the names of before and after it; none when
 * history does not know them.  Released by the caller, also on error. */
struct history_rows {
    struct change_set set;
    struct shapes before, after;
    bool whole; /* a barrier: no rows were kept */
};
/* source_show.c: reads it, giving its DDL to SINK; *ENTRY (NULL: not wanted) is
 * as in source_history, a new reference. */
int history_entry_read(struct source *s, uint64_t revision,
    struct history_rows *rows, const struct diff_sink *sink,
    struct json_t **entry, struct err *e);
void history_rows_release(struct history_rows *rows);
/* Deletes the oldest beyond size and age. */
int history_retain(struct source *s, struct err *e);

/* Whether the newest changes are kept and lead on from FROM. */
bool source_newest_leads_from(const struct source *s, uint64_t from);
void source_newest_release(struct source *s);

/* source_bundle.c: what bundles are made of. */
/* A key that some revision of the chain changed. */
struct chain_entry {
    const char *table;
    const uint8_t *key;
    size_t key_len;
    size_t order;           /* of appearance */
    bool existed;           /* before that change */
    const uint8_t *old_row; /* what it was at the start; NULL: not known */
    size_t old_row_len;
    bool known; /* the row at the end: NEW_ROW, NULL when it is gone; else it
                 * is looked up in the published copy */
    const uint8_t *new_row;
    size_t new_row_len;
};

/* The chain of revisions as read from history. */
struct chain {
    struct change_set *sets;
    size_t set_count;
    struct chain_entry *entries;
    size_t entry_count, entry_capacity;
    struct buf ddl;
    uint64_t ddl_count;
    bool specials;
    struct buf specials_new; /* if SPECIALS */
    struct digest digest_before, digest_after;
    uint8_t schema_before[HASH_SIZE], schema_after[HASH_SIZE];
    int64_t made_ms; /* of its last revision */
    bool total_known;
    uint64_t total; /* rows of all tables after it */
};

/* The changes after revision FROM up to TO; ERR_NEEDS_OVERWRITE when history
 * does not lead from there to there. */
int chain_read(struct source *s, uint64_t from, uint64_t to, struct chain *c,
    struct err *e);
void chain_release(struct chain *c);
/* Adds a key; what it points to must outlive the chain's use. */
void chain_add(struct chain *c, const char *table, const uint8_t *key,
    size_t len, bool existed, const uint8_t *old_row, size_t old_row_len);
/* One entry per key, the earliest, in order. */
void chain_sort(struct chain *c);
/* Appends the varint count of tables and the tables: each entry's published
 * row, or its removal. */
int source_put_tables(struct source *s, const struct chain_entry *entries,
    size_t count, bool differences, struct buf *body, struct err *e);
/* NULL: as they are there already. */
void source_put_specials(const struct buf *specials, struct buf *body);
/* Of the current revision, from and to. */
struct bundle_header source_bundle_header(struct source *s,
    enum bundle_kind kind);

/* source_verdict.c */
/* What was collected in the live file as just seen is held, the reason is
 * kept. */
void source_verdict_keep(struct source *s, uint32_t cookie);
void source_verdict_drop(struct source *s);
/* Whether that still is so, without collecting; in an open read transaction. */
bool source_verdict_stands(struct source *s);

/* source_copy.c */
/* Makes PATH a copy of the live file, in whose read transaction the caller is:
 * by pages, or, when not all of it is replicated, what is, row by row. */
int source_copy_live(struct source *s, const char *path, struct err *e);

/* source_select.c */
/* The live file's schema, as far as it is replicated.  Holds when that cannot
 * be done. */
int source_load_live(struct source *s, struct schema **schema, struct err *e);
/* Whether the published copy holds another part of the database than the
 * settings ask for. */
bool source_selects_anew(const struct source *s);

/* source_publish.c */
int source_publish_now(struct source *s, bool accept,
    struct publish_result *result, struct err *e);

static inline void
source_notice(const struct source *s, const char *kind, const char *text)
{
    if (s->config.notice != NULL)
        s->config.notice(s->config.ctx, kind, text);
}

/* source_off.c */
/* Opening with capture off: every trace of ours leaves the live file. */
int source_stand_off(struct source *s, struct err *e);
/* Sets E; returns -1. */
int source_refuse_off(const struct source *s, struct err *e);

#endif

/*
 * The datasets of this node, each on its strand: as a source (standalone,
 * primary) or as a replica (secondary).  What others need of a dataset at
 * any time is kept in a struct dataset_view that only the loop touches,
 * brought up to date after each job.
 */
#ifndef DAEMON_DATASETS_H
#define DAEMON_DATASETS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "daemon/strand.h"
#include "sync/replica.h"
#include "sync/source.h"

struct engine;
struct datasets;

struct dataset_view {
    struct dataset_state state;
    uint64_t bytes;
    bool unpublished; /* source: the live database may be ahead */
    char held[512];   /* source: why nothing is published, or "" */
    bool off;         /* source: capture is switched off */
    bool opening;     /* not open yet, which ERROR says too */
    struct err error; /* why it is not open; code ERR_NONE: it is */
    struct replica_status replica; /* replica only */
};

/* Whether a secondary has what its primary has (daemon/equal_since.h). */
enum dataset_equal { EQUAL_UNKNOWN, EQUAL_YES, EQUAL_NO };

struct dataset {
    struct engine *engine;
    char name[64];
    bool active; /* one of the list; another rests, closed, for whoever still
                    points to it */
    char *live_path;
    char *work_dir;
    struct strand *strand;
    struct source *source;   /* exactly one of the two; touched only by jobs */
    struct replica *replica; /* on the strand */
    struct dataset_view view;
    enum dataset_equal equal;
    struct dataset_config config;
    struct dataset_private *private; /* datasets.c's own */
    void *overwriter; /* the push handle whose overwrite is under way; only
                         jobs of vfs_push_*.c touch it */
};

/* Opens the built-in datasets "config" and "admins" (making their live files
 * when the node is new and not a secondary) for the node's role, and begins to
 * open those of the configuration, whose live files belong to other programs
 * and are never made here. */
int datasets_open(struct datasets **datasets, struct engine *engine,
    struct err *e);
void datasets_close(struct datasets *datasets);
/* Those in use, the built-in ones first. */
size_t datasets_count(const struct datasets *d);
struct dataset *datasets_at(const struct datasets *d, size_t index);
struct dataset *datasets_find(const struct datasets *d, const char *name);
/* Closes and reopens every dataset for the node's present role (after
 * enrolment, release, detach, restore); DONE on the loop. */
void datasets_change_role(struct datasets *d,
    void (*done)(void *ctx, const struct err *e), void *ctx);

/* The primary's bundle key, or the successor that it announced, changed: DONE
 * on the loop when every replica goes by it. */
void datasets_trust(struct datasets *d,
    void (*done)(void *ctx, const struct err *e), void *ctx);

/* A job on a dataset: WORK runs on its strand and may use ds->source or
 * ds->replica, returning 0 or -1 with E; DONE runs on the loop after the
 * view was refreshed.  A dataset that could not be opened fails its jobs
 * with the reason; each job tries to open it again first. */
struct dataset_job {
    int (*work)(struct dataset *ds, void *arg, struct err *e);
    void (*done)(struct dataset *ds, void *arg, const struct err *e);
    void *arg;
};
void dataset_run(struct dataset *ds, const struct dataset_job *job);
/* The same for WORK that needs one of the two: without it WORK is not called
 * and the job fails with ERR_ROLE. */
enum dataset_need { DATASET_ANY, DATASET_SOURCE, DATASET_REPLICA };
void dataset_run_on(struct dataset *ds, enum dataset_need need,
    const struct dataset_job *job);

/* The same for WORK that needs none: it also runs when the dataset is not open,
 * and does not try to open it. */
void dataset_run_always(struct dataset *ds, const struct dataset_job *job);

/* SQL on the live database of a source, as an administrator's command does it:
 * a connection of its own, opened by the caller within a job through
 * database_open(ds->live_path). */

/* Within a job: a read-only connection to the live database that is kept open
 * from job to job; NULL with E when there is none to read. */
sqlite3 *dataset_reader(struct dataset *ds, struct err *e);
/* The settings changed (SIGHUP), or what the node remembers of a dataset:
 * datasets come, go, and are opened again with what is new about them. */
void datasets_follow_settings(struct datasets *d);
/* Sets E: no dataset NAME here, why, and what to add to which file. */
int dataset_not_here(struct engine *engine, const char *name, struct err *e);
bool dataset_is_built_in(const struct dataset *ds);

/* A dataset of cli.md's "status", plus "path", "state", "held", "error" and, on
 * a secondary, "drifted", "drift_rows", "needs_overwrite", "reason" and
 * "blocker". */
json_t *dataset_json(const struct dataset *ds);
/* All of them, those that are configured but detached last. */
json_t *datasets_json(const struct datasets *d);

/* What is remembered of a configured dataset in node.db, beyond its section. */
enum dataset_mark {
    DATASET_PLAIN,
    DATASET_DETACHED,   /* "dataset remove": not used until attached again */
    DATASET_CAPTURE_OFF /* nothing of ours in it, nothing published */
};
int dataset_mark_get(struct engine *engine, const char *name,
    enum dataset_mark *mark, struct err *e);
int dataset_mark_set(struct engine *engine, const char *name,
    enum dataset_mark mark, struct err *e);

/* Takes a configured dataset out of use for good: no trigger and no table of
 * ours stays in its live file, its work folder goes, and the node remembers
 * that.  Failing, the dataset is as it was.  DONE on the loop. */
typedef void (*dataset_done_fn)(void *ctx, const struct err *e);
void dataset_remove(struct dataset *ds, dataset_done_fn done, void *ctx);
/* Stops or resumes capture and publishing. */
void dataset_set_capture(struct dataset *ds, bool on, dataset_done_fn done,
    void *ctx);

#endif

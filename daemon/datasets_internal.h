/*
 * What the files of the datasets share: datasets.c (the list, scrubs),
 * datasets_follow.c (following the settings), dataset_change.c (roles, opening
 * again, taking out of use), dataset_open.c (opening one for a role),
 * dataset_attach.c (what a file must be like), dataset_mark.c (what node.db
 * remembers) and dataset_job.c (jobs and views).
 */
#ifndef DAEMON_DATASETS_INTERNAL_H
#define DAEMON_DATASETS_INTERNAL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/datasets.h"
#include "daemon/node.h"

/* What a node's role means for its datasets; a copy, for use on strands. */
struct dataset_role {
    enum node_role role;
    uint8_t cluster[ID_SIZE];
    uint64_t epoch;
    uint8_t writer[ID_SIZE];
    uint8_t bundle_key[ED25519_PUBLIC_SIZE];
    uint8_t bundle_next[ED25519_PUBLIC_SIZE]; /* zero: none */
};

struct datasets {
    struct engine *engine;
    struct dataset **items;
    size_t count;
    struct dataset **resting; /* no longer active */
    size_t resting_count;
    uv_timer_t *scrub; /* freed when libuv has closed it */
};

struct dataset_private {
    /* a new live database; NULL: the file is another program's */
    int (*create)(const char *path, struct err *e);
    /* touched only by jobs on the strand */
    bool closed; /* not to be opened */
    struct dataset_role role;
    struct err open_error;
    int64_t opened_try_ms;
    sqlite3 *reader;
    ino_t reader_shm; /* of the log's index that it uses, or 0 */
    bool reader_seen;
    uint32_t reader_version;
    struct dataset_state seen; /* when others were last told of changes */
    /* touched only by the loop */
    struct dataset_config wanted; /* as last asked for */
    char **selections;            /* every one there was */
    size_t selection_count;
    bool closing; /* a job that closes it is under way */
    bool error_told;
    bool scrubbing;
};

/* datasets.c */
/* What the settings say about an active dataset. */
struct dataset_config dataset_configuration(struct dataset *ds);
void datasets_start_scrubs(struct datasets *d);
/* Adds the dataset of that name and file to the list: one that rests, or a new
 * one. */
struct dataset *datasets_take_up(struct datasets *d, const char *name,
    const char *live_path);
void datasets_lay_down(struct datasets *d, struct dataset *ds);

/* dataset_change.c */
/* Closed and opened with the role of now and what the settings say of it. */
void dataset_reopen(struct dataset *ds, dataset_done_fn done, void *ctx);
/* Closed, leaving the live file as it is. */
void dataset_close(struct dataset *ds);

/* dataset_mark.c */
/* Forgets those whose sections are gone. */
int dataset_marks_forget(struct engine *engine, struct err *e);

/* dataset_attach.c */
/* Whether the live file of a configured dataset can be one here, in words that
 * say what to do about it.  On the strand, while nothing has it open. */
int dataset_check_file(struct dataset *ds, struct err *e);
/* Notes that this file was opened as that dataset: from now on what is wrong
 * with it is damage, which has its own remedies. */
int dataset_note_attached(const struct dataset *ds, struct err *e);

/* dataset_open.c */
void dataset_role_of(const struct node *node, struct dataset_role *role);
/* On the strand, or before any job runs: opens for ds->private->role; an error
 * is kept in open_error too. */
int dataset_open(struct dataset *ds, struct err *e);
/* On the strand: whose bundles the replica takes, as ds->private->role says. */
void dataset_trust(struct dataset *ds);
/* Lets go of a live file that was replaced, before anybody opens the new one:
 * in one process both share the index of the log, and the end of a connection
 * to the old one would drop the locks of those to the new one. */
void dataset_drop_moved(struct dataset *ds);
/* Closes the connection of dataset_reader, if there is one. */
void dataset_drop_reader(struct dataset *ds);
/* Closes; DETACH removes a replica's traces from the live database. */
int dataset_shut(struct dataset *ds, bool detach, struct err *e);
bool dataset_is_open(const struct dataset *ds);

/* On the strand: fills VIEW; true when the live database may have changed since
 * the last call. */
bool dataset_look(struct dataset *ds, struct dataset_view *view);

#endif

/*
 * What datasets.c (the list, the roles), dataset_open.c (opening one for a
 * role) and dataset_job.c (jobs and views) share.
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
};

struct dataset_private {
    int (*create)(const char *path, struct err *e); /* a new live database */
    /* touched only by jobs on the strand */
    struct dataset_role role;
    struct err open_error;
    int64_t opened_try_ms;
    sqlite3 *reader;
    ino_t reader_shm; /* of the log's index that it uses, or 0 */
    bool reader_seen;
    uint32_t reader_version;
    struct dataset_state seen; /* when others were last told of changes */
    /* touched only by the loop */
    bool scrubbing;
};

void dataset_role_of(const struct node *node, struct dataset_role *role);
/* On the strand, or before any job runs: opens for ds->private->role; an error
 * is kept in open_error too. */
int dataset_open(struct dataset *ds, struct err *e);
/* Lets go of a live file that was replaced, before anybody opens the new one:
 * in one process both share the index of the log, and the end of a connection
 * to the old one would drop the locks of those to the new one. */
void dataset_drop_moved(struct dataset *ds);
/* Closes; DETACH removes a replica's traces from the live database. */
int dataset_shut(struct dataset *ds, bool detach, struct err *e);
bool dataset_is_open(const struct dataset *ds);

/* On the strand: fills VIEW; true when the live database may have changed since
 * the last call. */
bool dataset_look(struct dataset *ds, struct dataset_view *view);
/* A job that also runs when the dataset is not open. */
void dataset_run_always(struct dataset *ds, const struct dataset_job *job);

#endif

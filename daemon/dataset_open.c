/*
 * Opening and closing one dataset for the role of the node.  Every step may be
 * the last one before a crash: what a change of role leaves half done is
 * finished by the next opening, which goes by what it finds.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "daemon/datasets_internal.h"
#include "daemon/engine.h"
#include "sync/open.h"

#define READER_WAIT_MS 250

void
dataset_role_of(const struct node *node, struct dataset_role *role)
{
    memset(role, 0, sizeof(*role));
    role->role = node->role;
    role->epoch = node->epoch;
    memcpy(role->cluster, node->cluster, ID_SIZE);
    memcpy(role->writer, node->writer, ID_SIZE);
    memcpy(role->bundle_key, node->primary_bundle_key, ED25519_PUBLIC_SIZE);
    memcpy(role->bundle_next, node->primary_bundle_next, ED25519_PUBLIC_SIZE);
}

bool
dataset_is_open(const struct dataset *ds)
{
    return ds->source != NULL || ds->replica != NULL;
}

/* A source's own files are of no use to a replica, and wrong for the source
 * that may follow it. */
static int
remove_source_files(struct dataset *ds, struct err *e)
{
    static const char *const names[] = { "history.db", "history.db-wal",
        "history.db-shm", "published.db", "published.db-wal",
        "published.db-shm" };
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *path = file_join(ds->work_dir, names[i]);
        int r = file_exists(path) ? file_remove(path, e) : 0;

        free(path);
        if (r != 0)
            return -1;
    }
    return 0;
}

static bool
has_published_copy(const struct dataset *ds)
{
    char *path = file_join(ds->work_dir, "published.db");
    bool there = file_exists(path);

    free(path);
    return there;
}

/* Whether the live database carries the state row of a replica. */
static bool
was_replica(const struct dataset *ds)
{
    struct dataset_state state;
    struct err e = ERR_INIT;
    sqlite3 *db = NULL;
    bool yes;

    yes =
        database_open(&db, ds->live_path, OPEN_READ, READER_WAIT_MS, &e) == 0 &&
        state_read(db, &state, &e) == 0;
    database_close(db);
    return yes;
}

static int
finish_detach(struct dataset *ds, struct err *e)
{
    struct replica *replica = NULL;
    int r;

    if (replica_open(&replica, &ds->config, e) != 0)
        return -1;
    r = replica_detach(replica, e);
    replica_close(replica);
    return r;
}

static int
open_source(struct dataset *ds, struct err *e)
{
    struct dataset_private *p = ds->private;
    struct dataset_state state;

    /* A live database that was there once, and is missing now, is held by the
     * source; only a node that never had one gets a new one. */
    if (!file_exists(ds->live_path) && !has_published_copy(ds) &&
        p->create != NULL && p->create(ds->live_path, e) != 0)
        return -1;
    if (was_replica(ds) && finish_detach(ds, e) != 0)
        return -1;
    if (source_open(&ds->source, &ds->config, p->role.writer, e) != 0)
        return -1;
    source_state(ds->source, &state);
    if (memcmp(state.cluster, p->role.cluster, ID_SIZE) == 0 &&
        state.epoch == p->role.epoch)
        return 0;
    if (source_set_cluster(ds->source, p->role.cluster, p->role.epoch, e) == 0)
        return 0;
    source_close(ds->source);
    ds->source = NULL;
    return -1;
}

void
dataset_trust(struct dataset *ds)
{
    static const uint8_t none[ED25519_PUBLIC_SIZE];
    const struct dataset_role *role = &ds->private->role;

    if (ds->replica == NULL)
        return;
    replica_trust(ds->replica, role->cluster, role->epoch, role->bundle_key);
    if (memcmp(role->bundle_next, none, sizeof(none)) != 0)
        replica_trust_next(ds->replica, role->bundle_next);
}

static int
open_replica(struct dataset *ds, struct err *e)
{
    if (remove_source_files(ds, e) != 0)
        return -1;
    if (replica_open(&ds->replica, &ds->config, e) != 0)
        return -1;
    dataset_trust(ds);
    return 0;
}

static int
open_for_role(struct dataset *ds, struct err *e)
{
    const struct dataset_private *p = ds->private;

    if (p->closed)
        return err_set(e, ERR_NOT_FOUND, "it is not in use on this node");
    if (p->create == NULL && (file_make_folder(ds->work_dir, 0700, e) != 0 ||
                                 dataset_check_file(ds, e) != 0))
        return -1;
    if ((p->role.role == NODE_SECONDARY ? open_replica(ds, e)
                                        : open_source(ds, e)) != 0)
        return -1;
    return p->create == NULL ? dataset_note_attached(ds, e) : 0;
}

int
dataset_open(struct dataset *ds, struct err *e)
{
    struct dataset_private *p = ds->private;

    p->opened_try_ms = clock_mono_ms();
    if (open_for_role(ds, e) != 0) {
        err_wrap(e, "dataset \"%s\"", ds->name);
        p->open_error = *e;
        return -1;
    }
    err_clear(&p->open_error);
    return 0;
}

static bool
reader_moved(const struct dataset *ds)
{
    const struct dataset_private *p = ds->private;

    return database_has_moved(p->reader) ||
           (p->reader_shm != 0 &&
               database_shm_inode(ds->live_path) != p->reader_shm);
}

void
dataset_drop_moved(struct dataset *ds)
{
    struct dataset_private *p = ds->private;

    if (p->reader != NULL && reader_moved(ds)) {
        database_abandon(p->reader);
        p->reader = NULL;
    }
    if (ds->source != NULL)
        source_drop_moved(ds->source);
    if (ds->replica != NULL)
        replica_drop_moved(ds->replica);
}

void
dataset_drop_reader(struct dataset *ds)
{
    struct dataset_private *p = ds->private;

    dataset_drop_moved(ds);
    database_close(p->reader);
    p->reader = NULL;
    p->reader_seen = false;
}

int
dataset_shut(struct dataset *ds, bool detach, struct err *e)
{
    struct err ignored = ERR_INIT;
    int r = 0;

    dataset_drop_reader(ds);
    /* What was published last may wait for it; the next audit sees to it too.
     */
    if (ds->source != NULL && source_trim(ds->source, &ignored) == 0)
        source_write_back(ds->source, &ignored);
    if (ds->replica != NULL && detach)
        r = replica_detach(ds->replica, e);
    replica_close(ds->replica);
    source_close(ds->source);
    ds->replica = NULL;
    ds->source = NULL;
    ds->overwriter = NULL; /* its overwrite went with the replica */
    return r;
}

sqlite3 *
dataset_reader(struct dataset *ds, struct err *e)
{
    struct dataset_private *p = ds->private;

    dataset_drop_moved(ds);
    if (p->reader == NULL) {
        p->reader_seen = false;
        p->reader_shm = 0;
        if (database_open(&p->reader, ds->live_path, OPEN_READ, READER_WAIT_MS,
                e) != 0)
            p->reader = NULL;
    }
    if (p->reader_shm == 0)
        p->reader_shm = database_shm_inode(ds->live_path);
    return p->reader;
}

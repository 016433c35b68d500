/*
 * The end of an overwrite, in order: verified, drift noted, old content kept,
 * new content installed.  Until the installation commits the old stands.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/stop.h"
#include "sync/change.h"
#include "sync/compare.h"
#include "sync/drift.h"
#include "sync/open.h"
#include "sync/overwrite.h"
#include "sync/value.h"

#define DRIFT_ROWS_KEPT 10000
/* Beyond this much the backup alone has what was changed here. */
#define DRIFT_BYTES_MAX ((size_t)8 << 20)
#define DRIFT_ROWS_NAMED 3

static int
write_drift(struct replica *r, const struct change_set *changes, struct err *e)
{
    struct drift_file *file = NULL;
    int result;

    if (drift_file_open(&file, r->work_dir, r->name, e) != 0)
        return -1;
    for (size_t i = 0; i < changes->count && i < DRIFT_ROWS_KEPT; i++) {
        const struct change *c = &changes->items[i];
        bool was = c->old_row != NULL;

        drift_file_add(file, c->table, was ? c->old_key : c->new_key,
            was ? c->old_key_len : c->new_key_len, c->old_row, c->old_row_len,
            c->new_row, c->new_row_len, r->reason);
    }
    result = drift_file_commit(file, e);
    drift_file_close(file);
    return result;
}

static void
name_drift(struct replica *r, const struct change_set *changes, bool all)
{
    char key[128];

    for (size_t i = 0; i < changes->count && i < DRIFT_ROWS_NAMED; i++) {
        const struct change *c = &changes->items[i];

        if (c->old_row != NULL)
            value_show(c->old_key, c->old_key_len, key, sizeof(key));
        else
            value_show(c->new_key, c->new_key_len, key, sizeof(key));
        replica_notice(r, "drift", "table %s key %s", c->table, key);
    }
    if (!all)
        replica_notice(r, "drift",
            "more rows were changed than are kept in drift.jsonl: the backup "
            "in backups/ has them all");
    else if (changes->count > DRIFT_ROWS_NAMED)
        replica_notice(r, "drift", "%zu rows in all", changes->count);
}

/* Compares in one snapshot; what is found before damage or the limit (*ALL is
 * false then) stops it is worth keeping too. */
static void
find_drift(struct replica *r, const struct staging *s,
    struct change_set *changes, bool *all)
{
    struct err e = ERR_INIT;
    struct schema *schema = NULL;

    *all = true;
    if (database_exec(r->db, "BEGIN", &e) != 0)
        return;
    if (schema_load(&schema, r->db, &e) == 0 &&
        compare_databases(r->db, schema, s->db, s->schema, changes,
            DRIFT_BYTES_MAX, &e) != 0) {
        *all = e.code != ERR_INVALID;
        if (*all && e.code != ERR_CANCELLED)
            replica_notice(r, "drift", "could not compare all rows: %.200s",
                e.message);
    }
    database_rollback(r->db);
    schema_free(schema);
}

/* Rows that somebody changed here are lost by an overwrite: kept in the drift
 * file first. */
static int
note_drift(struct replica *r, const struct staging *s, struct err *e)
{
    struct change_set changes;
    bool all;
    int result = 0;

    if (r->db == NULL || !r->drifted)
        return 0;
    change_set_init(&changes);
    find_drift(r, s, &changes, &all);
    result = stop_check(e);
    if (result == 0 && (changes.count > 0 || !all)) {
        all = all && changes.count <= DRIFT_ROWS_KEPT;
        name_drift(r, &changes, all);
        result = write_drift(r, &changes, e);
    }
    change_set_release(&changes);
    return result;
}

/* The live file is now known to be what was staged. */
static int
settle(struct replica *r, const struct dataset_state *state, struct err *e)
{
    r->state = *state;
    r->actual = state->digest;
    r->actual_rows = state->rows;
    memset(r->replaced_writer, 0, ID_SIZE);
    replica_mark_equal(r);
    buf_clear(&r->specials);
    if (live_load_schema(r, e) == 0 &&
        specials_read(r->db, &r->schema->selection, &r->specials, e) == 0 &&
        database_schema_cookie(r->db, &r->cookie, e) == 0)
        return 0;
    r->suspect = true;
    return -1;
}

/* What waits for the disk while the proof computes: the backup, or the staging
 * file, where the old file can be kept as it is. */
struct backup_job {
    struct replica *r;
    int staging_fd;
    bool by_exchange;
    char *path;
    int result;
    struct err err;
};

static void *
wait_for_disk(void *arg)
{
    struct backup_job *job = arg;

    if (!job->by_exchange)
        job->result = install_backup(job->r, &job->path, &job->err);
    else if (fdatasync(job->staging_fd) != 0)
        job->result = err_set_errno(&job->err, ERR_IO, errno,
            "could not sync the staged database");
    return NULL;
}

/* Nothing but the backup touches the live connection in the meantime. */
static int
prove_and_backup(struct overwrite *o, struct staging *s, struct backup_job *job,
    struct err *e)
{
    pthread_t thread;
    int result;

    if (s->schema->selection_text[0] == '\0' &&
        exchange_look(job->r, &job->by_exchange, e) != 0)
        return -1;
    job->staging_fd = o->fd;
    if (pthread_create(&thread, NULL, wait_for_disk, job) != 0)
        return err_set(e, ERR_INTERNAL, "could not start a thread");
    result = staging_prove(s, o, e);
    pthread_join(thread, NULL);
    if (result == 0 && job->result != 0) {
        *e = job->err;
        result = -1;
    }
    return result;
}

/* Before SQLite opens it as the live file. */
static void
close_received(struct overwrite *o)
{
    if (o->fd >= 0)
        close(o->fd);
    o->fd = -1;
}

/* A file that is damaged cannot give what is this server's own; its backup
 * may. */
static void
tell_lost(struct replica *r, const char *why)
{
    replica_notice(r, "selection",
        "what is protected or excluded on this server could not be read, and "
        "is in the backup only: %.200s",
        why);
}

/* With nothing of this server's own in the live file. */
static int
install_whole(struct replica *r, struct staging *s, struct overwrite *o,
    struct backup_job *backup, struct err *e)
{
    bool done = false;

    if (staging_complete(s, r, e) != 0)
        return -1;
    if (backup->by_exchange) {
        if (exchange_staging(r, s, o, &done, e) != 0)
            return -1;
        if (done)
            return 0;
        if (install_backup(r, &backup->path, e) != 0)
            return -1;
    }
    close_received(o);
    return install_staging(r, s, o->staging_path, e);
}

static int
install(struct replica *r, struct staging *s, struct overwrite *o,
    struct backup_job *backup, struct err *e)
{
    if (s->schema->selection_text[0] != '\0') {
        if (r->db != NULL) {
            if (install_selected(r, s, e) == 0)
                return 0;
            if (e->code != ERR_CORRUPT)
                return -1;
            tell_lost(r, e->message);
            err_clear(e);
        } else if (access(r->live_path, F_OK) == 0) {
            tell_lost(r, r->reason);
        }
    }
    return install_whole(r, s, o, backup, e);
}

static int
finish(struct replica *r, struct overwrite *o, struct staging *s, struct err *e)
{
    struct dataset_state state;
    struct backup_job backup = { .r = r };
    bool installed = false;

    if (overwrite_check_trailer(r, o, e) != 0)
        return -1;
    /* Somebody may have written since the last look, or a newer epoch begun. */
    if (replica_examine(r, e) != 0 ||
        replica_check_sender(r, NULL, o->header.cluster, o->header.epoch, e) !=
            0 ||
        overwrite_check_writer(r, &o->header, e) != 0 ||
        staging_open(s, r, o, e) != 0)
        return -1;
    state = s->state;
    if (prove_and_backup(o, s, &backup, e) == 0 && note_drift(r, s, e) == 0)
        installed = install(r, s, o, &backup, e) == 0;
    install_settle_backup(r, backup.path, installed);
    free(backup.path);
    return installed ? settle(r, &state, e) : -1;
}

int
replica_overwrite_finish(struct replica *r, struct err *e)
{
    struct overwrite *o = r->overwrite;
    struct staging s = { 0 };
    int result;

    if (o == NULL)
        return err_set(e, ERR_INVALID, "no overwrite was begun");
    if (o->failed) {
        *e = o->first_error;
        result = -1;
    } else {
        result = finish(r, o, &s, e);
    }
    staging_close(&s);
    exchange_forget_replaced(r, false);
    overwrite_free(r);
    if (result != 0)
        err_wrap(e, "could not overwrite dataset \"%s\"", r->name);
    return result;
}

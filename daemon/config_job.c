/*
 * Jobs of the commands on built-in datasets.
 */
#include "daemon/config_job.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "daemon/datasets.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/fleet.h"
#include "sync/author.h"
#include "sync/open.h"

#define WAIT_MS 2000

struct running_job {
    struct config_job job;
    struct config_task task;
    const char *who; /* the call's */
};

void
config_note(struct config_job *job, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    free(job->note);
    job->note = alloc_string(text);
}

/* The request's own copy is ours to overwrite: nobody else reads it after the
 * command has run. */
static void
wipe_secrets(const json_t *args)
{
    static const char *const secrets[] = { "password", "password_hash" };

    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        const json_t *value = json_object_get(args, secrets[i]);

        if (json_is_string(value))
            explicit_bzero((char *)json_string_value(value),
                json_string_length(value));
    }
}

/* The journal before and after tells history which rows are this caller's. */
static int
work_in_transaction(struct running_job *running, struct dataset *ds,
    struct err *e)
{
    struct config_job *job = &running->job;
    struct author_marks before = { 0 }, after = { 0 };
    int r = -1;

    if (database_exec(job->db, "PRAGMA foreign_keys=ON", e) != 0 ||
        database_exec(job->db, "BEGIN IMMEDIATE", e) != 0 ||
        author_marks_read(&before, job->db, e) != 0 ||
        running->task.work(job, e) != 0 ||
        author_marks_read(&after, job->db, e) != 0 ||
        database_exec(job->db, "COMMIT", e) != 0) {
        database_rollback(job->db);
        goto out;
    }
    if (ds->source != NULL)
        source_note_author(ds->source, running->who, &before, &after);
    r = 0;
out:
    author_marks_release(&before);
    author_marks_release(&after);
    return r;
}

static int
work_in_snapshot(struct running_job *running, struct err *e)
{
    struct config_job *job = &running->job;
    int r;

    if (database_exec(job->db, "BEGIN", e) != 0)
        return -1;
    r = running->task.work(job, e);
    database_rollback(job->db);
    return r;
}

static int
job_work(struct dataset *ds, void *arg, struct err *e)
{
    struct running_job *running = arg;
    struct config_job *job = &running->job;
    bool write = running->task.write;
    int r;

    if (database_open(&job->db, ds->live_path, write ? OPEN_WRITE : OPEN_READ,
            WAIT_MS, e) != 0)
        return -1;
    r = write ? work_in_transaction(running, ds, e)
              : work_in_snapshot(running, e);
    database_close(job->db);
    job->db = NULL;
    if (r != 0 && e->code == ERR_BUSY) {
        err_set(e, ERR_BUSY, "dataset \"%s\" is locked by another program",
            ds->name);
        err_hint(e, "Try again, or end the program that keeps a transaction "
                    "open.");
    }
    return r;
}

static void
job_done(struct dataset *ds, void *arg, const struct err *failure)
{
    struct running_job *running = arg;
    struct config_job *job = &running->job;
    struct err e = ERR_INIT;
    bool failed = failure != NULL && failure->code != ERR_NONE;

    wipe_secrets(job->args);
    if (failed)
        e = *failure;
    if (!failed && running->task.write) {
        if (job->note != NULL)
            events_add(job->engine->events, "info", "changed", NULL, ds->name,
                "%s: %s", control_who(job->call), job->note);
        fleet_changed(job->engine->fleet, ds->name);
    }
    if (!failed && running->task.after != NULL &&
        running->task.after(job, &e) != 0)
        failed = true;
    if (failed) {
        json_decref(job->result);
        control_fail(job->call, &e);
    } else {
        control_finish(job->call, job->result);
    }
    free(job->note);
    free(job->ctx);
    free(running);
}

void
config_run(struct control_call *call, const struct config_task *task, void *ctx)
{
    struct engine *engine = control_engine(call);
    struct dataset *ds = datasets_find(engine->datasets, task->dataset);
    struct running_job *running;
    struct err e = ERR_INIT;

    if (ds == NULL) {
        err_set(&e, ERR_NOT_FOUND, "dataset \"%s\" is not open", task->dataset);
        wipe_secrets(control_args(call));
        free(ctx);
        control_fail(call, &e);
        return;
    }
    running = alloc_zeroed(1, sizeof(*running));
    running->task = *task;
    running->job.call = call;
    running->job.engine = engine;
    running->job.args = control_args(call);
    running->job.ctx = ctx;
    running->who = control_who(call);
    dataset_run(ds, &(struct dataset_job){ .work = job_work,
                        .done = job_done,
                        .arg = running });
}

void
config_read(struct control_call *call,
    int (*work)(struct config_job *job, struct err *e))
{
    config_run(call, &(struct config_task){ .dataset = "config", .work = work },
        NULL);
}

void
config_write(struct control_call *call,
    int (*work)(struct config_job *job, struct err *e))
{
    config_run(call,
        &(struct config_task){ .dataset = "config",
            .write = true,
            .work = work },
        NULL);
}

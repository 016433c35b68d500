/*
 * The plumbing of commands that read or change a built-in dataset: a job on the
 * dataset's strand with a connection of its own and, for a change, one
 * transaction; then the answer, the event and the fleet's notice on the loop.
 *
 *     static int
 *     list(struct config_job *job, struct err *e)      // on the strand
 *     {
 *         ... job->db, job->args ...
 *         job->result = json_pack(...);
 *         return 0;
 *     }
 *     static void
 *     user_list(struct control_call *call)             // on the loop
 *     {
 *         config_read(call, list);
 *     }
 */
#ifndef DAEMON_CONFIG_JOB_H
#define DAEMON_CONFIG_JOB_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>

#include "base/err.h"
#include "daemon/control.h"

struct config_job {
    struct control_call *call;
    struct engine *engine; /* for after(), not for work() */
    const json_t *args;    /* borrowed from the call */
    sqlite3 *db;           /* in work() only; foreign keys are on */
    json_t *result;        /* what the call is answered with */
    char *note;            /* what was changed, for the event; owned */
    void *ctx;
};

struct config_task {
    const char *dataset; /* "config" or "admins" */
    bool write;          /* in a transaction, announced to the fleet */
    /* On the strand; -1 rolls back. */
    int (*work)(struct config_job *job, struct err *e);
    /* On the loop, after the commit, before the answer; may be NULL. */
    int (*after)(struct config_job *job, struct err *e);
};

/* Runs TASK (copied) for the call and finishes it.  CTX is free()d at the end.
 * Members "password" and "password_hash" of the arguments are wiped. */
void config_run(struct control_call *call, const struct config_task *task,
    void *ctx);
/* The same for dataset "config" without an after(). */
void config_read(struct control_call *call,
    int (*work)(struct config_job *job, struct err *e));
void config_write(struct control_call *call,
    int (*work)(struct config_job *job, struct err *e));
/* Sets the text of the event that a change leaves. */
void config_note(struct config_job *job, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif

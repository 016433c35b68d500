/*
 * A thread with a connection of its own that runs control commands one after
 * the other, so that nothing on the screen ever waits for a node.  Calls go in,
 * answers come out and wake whoever polls the eventfd.  The connection is made
 * again by the next call after it was lost.
 *
 *     struct worker *w = worker_new(cli, client, wake_fd);
 *     worker_call(w, call_new("server list", NULL, owner, tag));
 *     while ((answer = worker_take(w)) != NULL)
 *         ...
 *     worker_free(w);
 */
#ifndef MANAGER_TUI_WORKER_H
#define MANAGER_TUI_WORKER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "admin-proto/ssh_client.h"
#include "base/err.h"
#include "manager-tui/cli.h"

struct worker;

struct call {
    struct call *next;
    char *command;
    json_t *args;   /* wiped of passwords once sent */
    uint64_t owner; /* of the answer: who asked */
    unsigned tag;   /* and what for */
    int wait_ms;    /* how long the node may be silent; 0: the usual time */
    bool urgent;    /* an act: before what only refreshes */
};

struct answer {
    struct answer *next;
    uint64_t owner;
    unsigned tag;
    bool progress;    /* one of several: VALUE is its line */
    json_t *value;    /* NULL after an error */
    struct err error; /* ERR_NONE: done */
    bool lost;        /* the error is not the node's: it was not reached */
    int64_t utc_ms;   /* when it came */
};

/* ARGS becomes the call's. */
struct call *call_new(const char *command, json_t *args, uint64_t owner,
    unsigned tag);
void answer_free(struct answer *answer);

/* CLIENT becomes the worker's and may be NULL: then the first call connects, as
 * CLI says.  CLI is only read from. */
struct worker *worker_new(struct cli *cli, struct admin_client *client,
    int wake_fd);
/* The call becomes the worker's. */
void worker_call(struct worker *w, struct call *call);
/* The oldest answer, the caller's; NULL. */
struct answer *worker_take(struct worker *w);
/* Ends the thread.  False when it is still waiting for a node: then nothing was
 * freed, and the program should end at once. */
bool worker_free(struct worker *w);

#endif

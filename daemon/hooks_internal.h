/*
 * What the files of the hooks share: hooks.c (what is due, calls in order),
 * hooks_json.c (for readers), hooks_wait.c (calls that wait for an end).
 */
#ifndef DAEMON_HOOKS_INTERNAL_H
#define DAEMON_HOOKS_INTERNAL_H

#include <uv.h>

#include "daemon/datasets.h"
#include "daemon/hook_files.h"
#include "daemon/hook_marks.h"
#include "daemon/hook_run.h"
#include "daemon/hooks.h"
#include "daemon/strand.h"

/* Of one dataset, by its name; they are never forgotten. */
struct hook_state {
    char name[64];
    struct hook_mark done;  /* in effect, durably */
    bool again;             /* although nothing differs from DONE */
    struct hook_mark tried; /* what FAILURES are about */
    unsigned failures;      /* in a row */
    int64_t retry_ms;       /* monotonic: the next try, if nothing new comes */
    char from[HOOK_NAME_SIZE]; /* the first that failed: where that begins */
    struct err error;          /* of the first that failed */
    char told[512];            /* what the last event said */
    int64_t told_ms;           /* monotonic */
};

/* One dataset's calls under way. */
struct hook_round {
    struct hook_state *state; /* NULL: none */
    struct hook_mark mark;
    struct hook_names names;
    size_t next; /* of names */
    char database[1024];
    struct hook_run *run;
    char from[HOOK_NAME_SIZE];
    struct err error; /* of the first that failed */
};

struct hooks {
    struct engine *engine;
    struct strand *strand; /* writes the marks */
    uv_timer_t *timer;     /* freed when libuv has closed it */
    struct hook_state **states;
    size_t state_count;
    size_t next_dataset; /* where the next look begins */
    struct hook_round round;
    json_t *marks;
    struct hook_wait *waits;
};

struct hook_mark hooks_mark_of(const struct dataset *ds);
struct hook_state *hooks_find_state(const struct hooks *h, const char *name);
/* hooks_wait.c */
void hooks_waits_check(struct hooks *h);
void hooks_waits_close(struct hooks *h);

#endif

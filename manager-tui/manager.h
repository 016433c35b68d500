/*
 * The manager: what "lockstep" without arguments opens on a terminal.  This is
 * its whole state; views see it through screen.h.
 */
#ifndef MANAGER_TUI_MANAGER_H
#define MANAGER_TUI_MANAGER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "manager-tui/canvas.h"
#include "manager-tui/cli.h"
#include "manager-tui/form.h"
#include "manager-tui/screen.h"
#include "manager-tui/worker.h"

#define TABS_MAX 12
#define BAR_KEYS_MAX 32

#define SMALLEST_HEIGHT 16
#define SMALLEST_WIDTH 60

/* Where something that can be clicked stands in its row. */
struct bar_spot {
    int begin, end; /* columns */
    int press;
};

struct act;

struct manager {
    struct cli *cli;
    struct worker *worker;
    struct worker *long_worker; /* for what takes long; NULL until needed */
    struct canvas canvas;
    int wake_fd;
    uint64_t next_id;
    struct screen *tabs[TABS_MAX]; /* as in screen_views; the topmost each */
    size_t tab;
    struct form *form; /* above everything; NULL */
    struct act *acts;  /* those whose answers are due */
    json_t *status;    /* of the node; NULL until known */
    int64_t status_ms; /* UTC of when */
    bool status_waiting;
    unsigned waiting; /* answers that are due of what does not take long */
    int silent_ticks; /* seconds that they have been due without any */
    struct err lost;  /* why the node cannot be reached; ERR_NONE: it can */
    int retry_ticks;  /* until it is tried again */
    int retry_pause;  /* how long the last pause was */
    char said[256];   /* above the bottom line */
    bool said_is_error;
    bool absolute_times;
    bool plain; /* only text is wanted: no cursor, no keys */
    bool ending;
    struct bar_spot bar[BAR_KEYS_MAX];
    size_t bar_count;
    struct bar_spot tab_spots[TABS_MAX];
    struct area body; /* as drawn last: where clicks go */
};

/* Shows the screens until the user leaves; the error when they cannot be. */
int manager_run(struct cli *cli, struct err *e);
/* One view as text on stdout, once. */
int manager_print(struct cli *cli, const char *view, struct err *e);

/* -- the manager's own files ----------------------------------------------- */

void manager_init(struct manager *m, struct cli *cli);
/* False when a worker still waits for a node (worker.h). */
bool manager_release(struct manager *m);
struct screen *manager_screen(const struct manager *m); /* what is seen */
void manager_show_tab(struct manager *m, size_t tab);
void manager_say(struct manager *m, bool error, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Sends a call with the id of who gets the answer. */
void manager_call(struct manager *m, struct call *call, bool takes_long);
/* Takes what the workers have to say. */
void manager_take_answers(struct manager *m);
/* A second went by. */
void manager_tick(struct manager *m);
/* Asks what the node is. */
void manager_ask_status(struct manager *m);
/* One key or click. */
void manager_press(struct manager *m, int press, int y, int x);
void manager_draw(struct manager *m);

#endif

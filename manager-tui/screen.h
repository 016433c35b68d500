/*
 * The manager's screens.  A view is a struct of callbacks in a file of its own,
 * view_NAME.c, listed in screens.c; an open one is a struct screen.  Everything
 * runs on one thread that never waits: a screen asks, goes on, and gets the
 * answer when it is there.  What is seen is drawn whole, from what the screen
 * knows, after every key, answer and second.
 *
 *     const struct screen_view view_bans = {
 *         .name = "bans",
 *         .title = "Bans",
 *         .rows = &spec,
 *         .command = "ipfilter bans",
 *         .member = "bans",
 *         .keys = keys,
 *     };
 *
 * How to add one: docs/architecture.md.
 */
#ifndef MANAGER_TUI_SCREEN_H
#define MANAGER_TUI_SCREEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "manager-tui/canvas.h"
#include "manager-tui/terminal.h"

struct manager;
struct screen;
struct screen_list;
struct list_spec;
struct details_spec;
struct form;

/* When a key means something; it is neither shown nor obeyed otherwise. */
enum key_when {
    KEY_ALWAYS = 0,
    KEY_WRITES = 1 << 0,  /* not on a secondary, which is read-only */
    KEY_PRIMARY = 1 << 1, /* only on a primary */
    KEY_QUIET = 1 << 2    /* not on the bottom line, only in the help */
};

/* One key of a view or of all: bottom line, help page and dispatch read this
 * table, which a NULL run ends. */
struct key_binding {
    int keys[3];       /* the first is the one that is shown */
    const char *label; /* on the bottom line: one word or two */
    const char *help;  /* in the help: a sentence without full stop */
    unsigned when;
    void (*run)(struct screen *s);
};

#define KEYS_END                   \
    {                              \
        { 0 }, NULL, NULL, 0, NULL \
    }

/* Everything beside name, title and rows may be NULL. */
struct screen_view {
    const char *name;  /* what --plain calls it: "servers" */
    const char *title; /* of its tab */
    /* The list that keys and mouse move in; the state begins with it. */
    const struct list_spec *rows;
    /* What is asked for the rows, and the member of the answer that has them,
     * where there is no refresh and no answer below. */
    const char *command;
    const char *member;
    json_t *(*args)(struct screen *s);  /* of the command, fresh */
    const struct details_spec *details; /* of a view that is one (details.h) */
    size_t state_size; /* of what s->state points to, zeroed; 0: the list */
    const struct key_binding *keys;
    /* Prepares the rest of the state; s->subject is set. */
    void (*open)(struct screen *s);
    /* Frees what the state holds beside the list. */
    void (*close)(struct screen *s);
    /* Asks for what is shown: at first, every few seconds, after acts, never
     * while an answer is due. */
    void (*refresh)(struct screen *s);
    /* An answer to screen_ask with TAG; ERROR is ERR_NONE when RESULT,
     * borrowed, is there. */
    void (*answer)(struct screen *s, unsigned tag, const json_t *result,
        const struct err *error);
    /* NULL: the list fills the area. */
    void (*draw)(struct screen *s, struct area area);
    /* Opens the row under the cursor (Enter, a second click). */
    void (*enter)(struct screen *s);
};

struct screen {
    const struct screen_view *view;
    struct manager *m;
    struct screen *below; /* what Esc goes back to; NULL */
    uint64_t id;
    char *subject; /* of a screen about one thing: its name */
    void *state;
    bool again;       /* something else is wanted since it was asked */
    unsigned waiting; /* answers that are due */
    int64_t data_ms;  /* UTC of the newest good answer; 0: none yet */
    int ticks;        /* until the next refresh */
    struct err error; /* why there is no newer answer */
};

/* The views in the order of their tabs; NULL ends. */
extern const struct screen_view *const screen_views[];

/* -- for views ----------------------------------------------------------- */

/* Runs a control command without waiting; ARGS (may be NULL) becomes the
 * manager's.  The answer comes to the view's callback with TAG. */
void screen_ask(struct screen *s, const char *command, json_t *args,
    unsigned tag);
/* One that takes long, on another connection.  Its progress comes to the same
 * callback, before the result. */
void screen_ask_long(struct screen *s, const char *command, json_t *args,
    unsigned tag);
/* An answer that has the rows: what views without an answer of their own do. */
void screen_take_rows(struct screen *s, unsigned tag, const json_t *result,
    const struct err *error);
/* Runs a command that changes something.  When it is done, DONE is said and the
 * screen refreshed; when not, the error is shown with its hint. */
void screen_act(struct screen *s, const char *command, json_t *args,
    const char *done_fmt, ...) __attribute__((format(printf, 4, 5)));
/* Opens a screen about SUBJECT (may be NULL) above this one. */
void screen_push(struct screen *s, const struct screen_view *view,
    const char *subject);
/* Closes this one; the tab's own screen stays. */
void screen_back(struct screen *s);
/* Asks for the data again at once. */
void screen_refresh(struct screen *s);
/* A sentence above the bottom line, until the next key. */
void screen_say(struct screen *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* An error with its hint, to be read and closed. */
void screen_show_error(struct screen *s, const struct err *error);

/* What this node is, as far as known: the newest "status", borrowed; NULL. */
const json_t *screen_status(const struct screen *s);
bool screen_is_primary(const struct screen *s);
/* True on a secondary: nothing can be edited here. */
bool screen_is_read_only(const struct screen *s);
/* True when the terminal can show ASCII only. */
bool screen_is_ascii(const struct screen *s);
/* Times are shown as ages, or as absolute local times with their offset: the
 * key "t" changes it.  A fresh string; "-" for NULL and null. */
char *screen_time(const struct screen *s, const json_t *value);

/* -- for the manager's own files ------------------------------------------ */

/* Draws the screen into the area. */
void screen_draw(struct screen *s, struct area area);
struct screen *screen_open(struct manager *m, const struct screen_view *view,
    const char *subject);
void screen_close(struct screen *s);
/* An answer to what the screen asked. */
void screen_answer(struct screen *s, unsigned tag, const json_t *result,
    const struct err *error);
/* The bindings that hold everywhere. */
extern const struct key_binding screen_global_keys[];
bool key_is_usable(const struct screen *s, const struct key_binding *key);
/* Runs what PRESS is bound to; false when nothing is. */
bool keys_run(struct screen *s, const struct key_binding *keys, int press);
/* The bottom line; keeps where each key stands for clicks. */
void keys_draw(struct screen *s, struct area row);
/* The key at column X of the bottom line; PRESS_NONE. */
int keys_at(const struct manager *m, int x);
/* The help page's text for the screen; fresh. */
char *keys_help(const struct screen *s);

#endif

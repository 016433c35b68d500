/*
 * The terminal: ncurses begins and ends here, keys come in as numbers of our
 * own, a canvas goes out as the difference to what is shown.  Whatever ends the
 * program, a signal or a crash, the terminal is left as it was found.
 */
#ifndef MANAGER_TUI_TERMINAL_H
#define MANAGER_TUI_TERMINAL_H

#include <stdbool.h>

#include "base/err.h"
#include "manager-tui/canvas.h"

/* A key is its character (up to 0x10ffff, controls too) or one of these. */
enum press {
    PRESS_NONE = 0,
    PRESS_BASE = 0x200000,
    PRESS_UP,
    PRESS_DOWN,
    PRESS_LEFT,
    PRESS_RIGHT,
    PRESS_PAGE_UP,
    PRESS_PAGE_DOWN,
    PRESS_HOME,
    PRESS_END,
    PRESS_INSERT,
    PRESS_DELETE,
    PRESS_BACKSPACE,
    PRESS_TAB,
    PRESS_BACKTAB,
    PRESS_ENTER,
    PRESS_ESCAPE,
    PRESS_MOUSE,
    PRESS_WHEEL_UP,
    PRESS_WHEEL_DOWN,
    PRESS_F0, /* PRESS_F0 + 5 is F5 */
    PRESS_LAST = PRESS_F0 + 12
};

#define PRESS_F(n) (PRESS_F0 + (n))
#define PRESS_CTRL(c) ((c)&0x1f)

/* What signals asked for since the last look. */
struct terminal_signals {
    bool resized;
    bool suspend; /* SIGTSTP */
    int end;      /* SIGTERM, SIGHUP, SIGINT; 0 */
};

/* Takes the terminal; WAKE_FD is an eventfd that signals write to.  ERR_USAGE
 * when there is none that could show anything. */
int terminal_start(int wake_fd, struct err *e);
/* Gives it back; harmless when not started. */
void terminal_stop(void);
/* Stops the program as Ctrl-Z does, and takes the terminal again after it. */
void terminal_suspend(void);
struct terminal_signals terminal_take_signals(void);
/* Adopts the terminal's size. */
void terminal_resize(void);
void terminal_size(int *height, int *width);
/* True when its character set is not UTF-8. */
bool terminal_is_ascii(void);
/* The next key that is there, PRESS_NONE without one; Y and X of the mouse. */
int terminal_press(int *y, int *x);
void terminal_show(const struct canvas *c);
/* "F5", "Enter", "s"; into OUT. */
void press_name(int press, char out[16]);

#endif

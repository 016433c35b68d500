/*
 * ncurses, and nothing of it anywhere else.
 */
#include "manager-tui/terminal.h"

#include <curses.h>
#include <langinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "manager-tui/terminal_signals.h"

#define ESCAPE_WAIT_MS 25

static bool started;
static bool colours;
static SCREEN *screen;

static const struct {
    int code;
    int press;
} key_codes[] = {
    { KEY_UP, PRESS_UP },
    { KEY_DOWN, PRESS_DOWN },
    { KEY_LEFT, PRESS_LEFT },
    { KEY_RIGHT, PRESS_RIGHT },
    { KEY_PPAGE, PRESS_PAGE_UP },
    { KEY_NPAGE, PRESS_PAGE_DOWN },
    { KEY_HOME, PRESS_HOME },
    { KEY_END, PRESS_END },
    { KEY_IC, PRESS_INSERT },
    { KEY_DC, PRESS_DELETE },
    { KEY_BACKSPACE, PRESS_BACKSPACE },
    { KEY_BTAB, PRESS_BACKTAB },
    { KEY_ENTER, PRESS_ENTER },
    { KEY_RESIZE, PRESS_NONE },
};

/* Colour where the terminal has it; the attribute alone says enough. */
static const struct {
    short foreground;
    short background;
    attr_t attribute;      /* with colours */
    attr_t attribute_mono; /* without */
} looks[STYLE_COUNT] = {
    [STYLE_PLAIN] = { -1, -1, A_NORMAL, A_NORMAL },
    [STYLE_DIM] = { COLOR_CYAN, -1, A_NORMAL, A_NORMAL },
    [STYLE_STRONG] = { -1, -1, A_BOLD, A_BOLD },
    [STYLE_TITLE] = { COLOR_WHITE, COLOR_BLUE, A_NORMAL, A_REVERSE },
    [STYLE_TAB] = { COLOR_WHITE, COLOR_BLUE, A_BOLD | A_REVERSE, A_BOLD },
    [STYLE_BAR] = { COLOR_BLACK, COLOR_CYAN, A_NORMAL, A_REVERSE },
    [STYLE_GOOD] = { COLOR_GREEN, -1, A_NORMAL, A_NORMAL },
    [STYLE_WARN] = { COLOR_YELLOW, -1, A_NORMAL, A_BOLD },
    [STYLE_BAD] = { COLOR_RED, -1, A_BOLD, A_BOLD },
    [STYLE_BANNER] = { COLOR_WHITE, COLOR_RED, A_BOLD, A_BOLD | A_REVERSE },
    [STYLE_FIELD] = { -1, -1, A_UNDERLINE, A_UNDERLINE },
};

static void
prepare_colours(void)
{
    const char *no_color = getenv("NO_COLOR");

    colours = has_colors() && (no_color == NULL || no_color[0] == '\0');
    if (!colours)
        return;
    start_color();
    use_default_colors();
    for (int i = 1; i < STYLE_COUNT; i++)
        init_pair((short)i, looks[i].foreground, looks[i].background);
}

static void
prepare_input(void)
{
    raw(); /* Ctrl-C and Ctrl-Z are keys: both must find us in order */
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    meta(stdscr, TRUE);
    set_escdelay(ESCAPE_WAIT_MS);
    mouseinterval(0);
    mousemask(BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED, NULL);
}

int
terminal_start(int wake_fd, struct err *e)
{
    const char *kind = getenv("TERM");

    terminal_signals_watch(wake_fd);
    screen = newterm(NULL, stdout, stdin);
    if (screen == NULL) {
        terminal_signals_leave();
        err_set(e, ERR_USAGE, "cannot draw on a terminal of kind \"%s\"",
            kind != NULL ? kind : "");
        err_hint(e, "Set TERM, or use commands: lockstep --help.");
        return -1;
    }
    started = true;
    terminal_signals_prepare_restore();
    prepare_colours();
    prepare_input();
    return 0;
}

void
terminal_stop(void)
{
    if (!started)
        return;
    started = false;
    endwin();
    terminal_signals_leave();
    delscreen(screen);
    screen = NULL;
}

void
terminal_suspend(void)
{
    endwin();
    terminal_signals_stop_here();
    terminal_resize();
    clearok(curscr, TRUE);
    refresh();
}

void
terminal_resize(void)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 &&
        size.ws_col > 0)
        resizeterm(size.ws_row, size.ws_col);
    /* The terminal may have reflowed what it shows. */
    clearok(curscr, TRUE);
}

void
terminal_size(int *height, int *width)
{
    getmaxyx(stdscr, *height, *width);
}

bool
terminal_is_ascii(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
}

static int
mouse_press(int *y, int *x)
{
    MEVENT event;

    if (getmouse(&event) != OK)
        return PRESS_NONE;
    *y = event.y;
    *x = event.x;
    if (event.bstate & BUTTON4_PRESSED)
        return PRESS_WHEEL_UP;
    if (event.bstate & BUTTON5_PRESSED)
        return PRESS_WHEEL_DOWN;
    return event.bstate & BUTTON1_PRESSED ? PRESS_MOUSE : PRESS_NONE;
}

static int
function_press(wint_t code, int *y, int *x)
{
    if (code == KEY_MOUSE)
        return mouse_press(y, x);
    if (code > KEY_F0 && code <= KEY_F(12))
        return PRESS_F((int)(code - KEY_F0));
    for (size_t i = 0; i < sizeof(key_codes) / sizeof(key_codes[0]); i++)
        if ((wint_t)key_codes[i].code == code)
            return key_codes[i].press;
    return PRESS_NONE;
}

int
terminal_press(int *y, int *x)
{
    wint_t code;
    int r = get_wch(&code), press = PRESS_NONE;

    /* A key that means nothing is passed over, it is not the end. */
    while (r != ERR && press == PRESS_NONE) {
        if (r == KEY_CODE_YES)
            press = function_press(code, y, x);
        else if (code == '\r' || code == '\n')
            press = PRESS_ENTER;
        else if (code == '\t')
            press = PRESS_TAB;
        else if (code == 27)
            press = PRESS_ESCAPE;
        else if (code == 8 || code == 127)
            press = PRESS_BACKSPACE;
        else
            press = code <= 0x10ffff ? (int)code : PRESS_NONE;
        if (press == PRESS_NONE)
            r = get_wch(&code);
    }
    return press;
}

static attr_t
look(int style)
{
    int kind = style & ~STYLE_SELECTED;
    attr_t attribute = colours
                           ? looks[kind].attribute | (attr_t)COLOR_PAIR(kind)
                           : looks[kind].attribute_mono;

    return style & STYLE_SELECTED ? attribute ^ A_REVERSE : attribute;
}

static void
show_row(const struct canvas *c, int y)
{
    const struct cell *row = &c->cells[(size_t)y * (size_t)c->width];
    char run[512];
    size_t len = 0;
    int begin = 0;

    for (int x = 0; x < c->width; x++) {
        size_t add = strlen(row[x].text);

        if (row[x].width == 0)
            continue;
        if (len > 0 &&
            (row[x].style != row[begin].style || len + add > sizeof(run))) {
            attrset((int)look(row[begin].style));
            mvaddnstr(y, begin, run, (int)len);
            len = 0;
        }
        if (len == 0)
            begin = x;
        memcpy(run + len, row[x].text, add);
        len += add;
    }
    attrset((int)look(row[begin].style));
    mvaddnstr(y, begin, run, (int)len);
}

void
terminal_show(const struct canvas *c)
{
    erase();
    for (int y = 0; y < c->height; y++)
        show_row(c, y);
    curs_set(c->cursor_y >= 0 ? 1 : 0);
    if (c->cursor_y >= 0)
        move(c->cursor_y, c->cursor_x);
    refresh();
}

void
press_name(int press, char out[16])
{
    static const struct {
        int press;
        const char *name;
    } names[] = {
        { PRESS_UP, "Up" },
        { PRESS_DOWN, "Down" },
        { PRESS_LEFT, "Left" },
        { PRESS_RIGHT, "Right" },
        { PRESS_PAGE_UP, "PgUp" },
        { PRESS_PAGE_DOWN, "PgDn" },
        { PRESS_HOME, "Home" },
        { PRESS_END, "End" },
        { PRESS_INSERT, "Ins" },
        { PRESS_DELETE, "Del" },
        { PRESS_BACKSPACE, "Backspace" },
        { PRESS_TAB, "Tab" },
        { PRESS_BACKTAB, "Shift-Tab" },
        { PRESS_ENTER, "Enter" },
        { PRESS_ESCAPE, "Esc" },
        { ' ', "Space" },
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].press == press) {
            snprintf(out, 16, "%s", names[i].name);
            return;
        }
    if (press > PRESS_F0 && press <= PRESS_LAST)
        snprintf(out, 16, "F%d", press - PRESS_F0);
    else if (press < 32)
        snprintf(out, 16, "Ctrl-%c", press + 64);
    else
        snprintf(out, 16, "%c", press < 127 ? press : '?');
}

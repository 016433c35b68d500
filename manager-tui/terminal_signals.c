/*
 * Signals while the terminal is ours.
 */
#include "manager-tui/terminal_signals.h"

/* Before curses.h, which defines ERR. */
#include "manager-tui/terminal.h"

#include <curses.h>
#include <term.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static volatile sig_atomic_t resized, suspended, ending;
static volatile sig_atomic_t wake_fd = -1;
static struct termios modes;
static bool modes_known;
/* What a crash writes: made ready here, because a handler may not ask. */
static char restore_text[256];
static size_t restore_len;

static const int noted_signals[] = { SIGWINCH, SIGTSTP, SIGTERM, SIGHUP, SIGINT,
    SIGQUIT };
static const int crash_signals[] = { SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL };
static struct sigaction noted_before[COUNT(noted_signals)];
static struct sigaction crash_before[COUNT(crash_signals)];

static void
note(int number)
{
    static const uint64_t one = 1;
    int saved = errno;
    ssize_t ignored;

    if (number == SIGWINCH)
        resized = 1;
    else if (number == SIGTSTP)
        suspended = 1;
    else
        ending = number;
    ignored = write(wake_fd, &one, sizeof(one));
    (void)ignored;
    errno = saved;
}

static void
crash(int number)
{
    ssize_t ignored = write(STDOUT_FILENO, restore_text, restore_len);

    (void)ignored;
    if (modes_known)
        tcsetattr(STDIN_FILENO, TCSANOW, &modes);
    /* Whoever was there before (a sanitizer, or the default) has it now. */
    for (size_t i = 0; i < COUNT(crash_signals); i++)
        if (crash_signals[i] == number)
            sigaction(number, &crash_before[i], NULL);
    raise(number);
}

void
terminal_signals_watch(int fd)
{
    struct sigaction noting = { .sa_handler = note, .sa_flags = SA_RESTART };
    struct sigaction crashing = { .sa_handler = crash };

    wake_fd = fd;
    resized = suspended = ending = 0;
    restore_len = 0;
    modes_known = tcgetattr(STDIN_FILENO, &modes) == 0;
    sigemptyset(&noting.sa_mask);
    sigemptyset(&crashing.sa_mask);
    for (size_t i = 0; i < COUNT(noted_signals); i++)
        sigaction(noted_signals[i], &noting, &noted_before[i]);
    for (size_t i = 0; i < COUNT(crash_signals); i++)
        sigaction(crash_signals[i], &crashing, &crash_before[i]);
}

void
terminal_signals_leave(void)
{
    for (size_t i = 0; i < COUNT(noted_signals); i++)
        sigaction(noted_signals[i], &noted_before[i], NULL);
    for (size_t i = 0; i < COUNT(crash_signals); i++)
        sigaction(crash_signals[i], &crash_before[i], NULL);
    wake_fd = -1;
}

static void
restore_add(const char *text)
{
    size_t len = text != NULL ? strlen(text) : 0;

    if (restore_len + len > sizeof(restore_text))
        return;
    memcpy(restore_text + restore_len, text != NULL ? text : "", len);
    restore_len += len;
}

void
terminal_signals_prepare_restore(void)
{
    /* Every kind of mouse reporting that ncurses may have asked for. */
    static const char mouse_off[] = "\033[?1000l\033[?1002l\033[?1003l"
                                    "\033[?1006l";

    restore_len = 0;
    if (key_mouse != NULL)
        restore_add(mouse_off);
    restore_add(exit_attribute_mode);
    restore_add(cursor_normal);
    restore_add(keypad_local);
    restore_add(exit_ca_mode);
}

void
terminal_signals_stop_here(void)
{
    struct sigaction by_default = { .sa_handler = SIG_DFL }, before;

    sigemptyset(&by_default.sa_mask);
    sigaction(SIGTSTP, &by_default, &before);
    kill(0, SIGTSTP);
    sigaction(SIGTSTP, &before, NULL);
}

struct terminal_signals
terminal_take_signals(void)
{
    struct terminal_signals taken;

    taken.resized = resized != 0;
    resized = 0;
    taken.suspend = suspended != 0;
    suspended = 0;
    taken.end = ending;
    return taken;
}

/*
 * The manager's loop: keys, answers, seconds and signals, and after each of
 * them one drawing.  It never waits for a node.
 */
#include "manager-tui/manager.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "manager-tui/screen_list.h"

/* Keys that are taken between two drawings: what is pasted is drawn once. */
#define KEYS_AT_ONCE 512

struct screen *
manager_screen(const struct manager *m)
{
    return m->tabs[m->tab];
}

void
manager_say(struct manager *m, bool error, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(m->said, sizeof(m->said), fmt, ap);
    va_end(ap);
    m->said_is_error = error;
}

void
manager_show_tab(struct manager *m, size_t tab)
{
    /* Who comes back does not go on typing a filter. */
    if (m->tabs[m->tab] != NULL)
        list_of(m->tabs[m->tab])->filtering = false;
    m->tab = tab;
    if (m->tabs[tab] == NULL)
        m->tabs[tab] = screen_open(m, screen_views[tab], NULL);
    screen_refresh(m->tabs[tab]);
}

static bool
press_digit(struct manager *m, int press)
{
    for (size_t i = 0; press >= '1' && press <= '9' && screen_views[i] != NULL;
         i++)
        if (i == (size_t)(press - '1')) {
            manager_show_tab(m, i);
            return true;
        }
    return false;
}

static void
press_screen(struct manager *m, int press)
{
    struct screen *s = manager_screen(m);

    if (list_press(list_of(s), s, press) || keys_run(s, s->view->keys, press) ||
        keys_run(s, list_keys, press) || keys_run(s, screen_global_keys, press))
        return;
    press_digit(m, press);
}

static void
press_mouse(struct manager *m, int y, int x)
{
    struct screen *s = manager_screen(m);

    if (y == m->canvas.height - 1) {
        int press = keys_at(m, x);

        if (press != PRESS_NONE)
            press_screen(m, press);
        return;
    }
    for (size_t i = 0; y == 0 && screen_views[i] != NULL; i++)
        if (x >= m->tab_spots[i].begin && x < m->tab_spots[i].end)
            manager_show_tab(m, i);
    if (y > 0 && list_click(list_of(s), s, y, x) && s->view->enter != NULL)
        s->view->enter(s);
}

void
manager_press(struct manager *m, int press, int y, int x)
{
    if (m->canvas.height < SMALLEST_HEIGHT ||
        m->canvas.width < SMALLEST_WIDTH) {
        m->ending = m->ending || press == 'q' || press == PRESS_CTRL('c');
        return;
    }
    m->said[0] = '\0';
    if (m->form != NULL)
        form_press(m->form, press, y, x);
    else if (press == PRESS_MOUSE)
        press_mouse(m, y, x);
    else
        press_screen(m, press);
}

static void
adopt_size(struct manager *m)
{
    int height, width;

    terminal_size(&height, &width);
    canvas_resize(&m->canvas, height, width);
}

static void
take_keys(struct manager *m)
{
    int y = 0, x = 0, press;

    for (int i = 0; i < KEYS_AT_ONCE && !m->ending; i++) {
        press = terminal_press(&y, &x);
        if (press == PRESS_NONE)
            return;
        if (press == PRESS_CTRL('z')) {
            terminal_suspend();
            adopt_size(m);
        } else {
            manager_press(m, press, y, x);
        }
        /* What is drawn says where clicks go. */
        if (press == PRESS_MOUSE)
            return;
    }
}

static void
take_signals(struct manager *m)
{
    struct terminal_signals signals = terminal_take_signals();

    if (signals.suspend)
        terminal_suspend();
    if (signals.resized)
        terminal_resize();
    if (signals.suspend || signals.resized)
        adopt_size(m);
    if (signals.end != 0)
        m->ending = true;
}

static void
drain(int fd)
{
    uint64_t count;
    ssize_t ignored = read(fd, &count, sizeof(count));

    (void)ignored;
}

/* Everything that happens until the user leaves; -1: the terminal is gone. */
static int
loop(struct manager *m, int timer_fd)
{
    struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
        { .fd = m->wake_fd, .events = POLLIN },
        { .fd = timer_fd, .events = POLLIN } };

    while (!m->ending) {
        manager_draw(m);
        terminal_show(&m->canvas);
        if (poll(fds, 3, -1) < 0) {
            if (errno != EINTR)
                return -1;
            fds[0].revents = fds[1].revents = fds[2].revents = 0;
        }
        if (fds[1].revents != 0)
            drain(m->wake_fd);
        take_signals(m);
        manager_take_answers(m);
        if (fds[2].revents != 0) {
            drain(timer_fd);
            manager_tick(m);
        }
        take_keys(m);
        if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
            return -1;
    }
    return 0;
}

static int
start_timer(struct err *e)
{
    struct itimerspec every = { { 1, 0 }, { 1, 0 } };
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

    if (fd < 0 || timerfd_settime(fd, 0, &every, NULL) != 0)
        err_set_errno(e, ERR_INTERNAL, errno, "could not start a timer");
    return fd;
}

int
manager_run(struct cli *cli, struct err *e)
{
    struct manager m;
    struct admin_client *client;
    int timer_fd = -1, r = -1;

    manager_init(&m, cli);
    /* Before the screen: the key and the password may have to be asked for. */
    if (cli_client(cli, &client, e) != 0)
        return -1;
    cli->client = NULL;
    m.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    m.worker = worker_new(cli, client, m.wake_fd);
    timer_fd = start_timer(e);
    if (timer_fd < 0 || terminal_start(m.wake_fd, e) != 0)
        goto out;
    m.canvas.ascii = terminal_is_ascii();
    adopt_size(&m);
    manager_show_tab(&m, 0);
    r = loop(&m, timer_fd) == 0 ? 0
                                : err_set(e, ERR_IO, "the terminal was closed");
    terminal_stop();
out:
    if (timer_fd >= 0)
        close(timer_fd);
    /* A thread that waits for a node would keep us here for long. */
    if (!manager_release(&m))
        _exit(r == 0 ? 0 : 1);
    close(m.wake_fd);
    return r;
}

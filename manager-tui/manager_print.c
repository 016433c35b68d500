/*
 * One view as text: what the screen would show, at the width of the terminal,
 * as high as it needs to be.
 */
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "manager-tui/manager.h"
#include "manager-tui/screen_list.h"
#include "manager-tui/view.h"

/* Columns for whom no terminal sets a limit. */
#define WIDTH_FREE 200
/* Rows beside those of the list. */
#define ROWS_AROUND 60

static size_t
find_view(const char *name, struct err *e)
{
    struct buf names = BUF_INIT;
    size_t i;

    for (i = 0; screen_views[i] != NULL; i++) {
        if (strcmp(screen_views[i]->name, name) == 0)
            break;
        buf_printf(&names, "%s%s", i > 0 ? ", " : "", screen_views[i]->name);
    }
    if (screen_views[i] == NULL) {
        err_set(e, ERR_USAGE, "there is no view \"%s\"", name);
        err_hint(e, "The views are %.*s.", (int)names.len,
            (const char *)names.data);
    }
    buf_release(&names);
    return i;
}

/* Waits until every answer that is due has come. */
static int
wait_for_answers(struct manager *m, const struct screen *s, struct err *e)
{
    struct pollfd p = { .fd = m->wake_fd, .events = POLLIN };
    uint64_t count;

    while (m->waiting > 0) {
        if (poll(&p, 1, -1) > 0 && read(m->wake_fd, &count, sizeof(count)) < 0)
            return err_set(e, ERR_INTERNAL, "could not read an eventfd");
        manager_take_answers(m);
        if (m->lost.code != ERR_NONE) {
            *e = m->lost;
            return -1;
        }
    }
    if (s->error.code != ERR_NONE) {
        *e = s->error;
        return -1;
    }
    return 0;
}

int
manager_print(struct cli *cli, const char *view, struct err *e)
{
    struct manager m;
    struct screen *s;
    struct admin_client *client;
    size_t tab = find_view(view, e);
    int rows = ROWS_AROUND, width, r = -1;

    if (screen_views[tab] == NULL || cli_client(cli, &client, e) != 0)
        return -1;
    cli->client = NULL;
    manager_init(&m, cli);
    m.plain = true;
    width = view_width() < WIDTH_FREE ? (int)view_width() : WIDTH_FREE;
    m.body = (struct area){ &m.canvas, 0, 0, ROWS_AROUND, width };
    m.canvas.ascii = terminal_is_ascii();
    m.wake_fd = eventfd(0, EFD_CLOEXEC);
    m.worker = worker_new(cli, client, m.wake_fd);
    manager_show_tab(&m, tab);
    s = manager_screen(&m);
    if (wait_for_answers(&m, s, e) == 0) {
        rows += (int)json_array_size(list_of(s)->rows);
        canvas_resize(&m.canvas, rows, width);
        screen_draw(s, canvas_area(&m.canvas));
        canvas_print(&m.canvas, stdout);
        r = 0;
    }
    manager_release(&m);
    close(m.wake_fd);
    return r;
}

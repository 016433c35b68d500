/*
 * The journal of events.  Lines are appended whole; any thread may add one (a
 * dataset's notices come from its strand).  Reading back goes from the end.
 */
#include "daemon/events.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "daemon/events_tail.h"

#define EVENTS_FILE_MAX ((uint64_t)16 << 20)

struct events {
    pthread_mutex_t lock; /* all below */
    char *path;
    char *old_path;
    char *node_name;
    int fd;
    uint64_t size;
    uint64_t seq; /* of the newest event */
};

static int
open_present(struct events *ev, struct err *e)
{
    struct stat st;

    ev->fd = open(ev->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (ev->fd == -1)
        return err_set_errno(e, ERR_IO, errno, "could not open \"%s\"",
            ev->path);
    if (fstat(ev->fd, &st) != 0)
        return err_set_errno(e, ERR_IO, errno, "could not read \"%s\"",
            ev->path);
    ev->size = (uint64_t)st.st_size;
    return 0;
}

/* A line that a crash cut short goes, so that every line is whole. */
static int
drop_torn_line(struct events *ev, struct err *e)
{
    uint64_t whole = events_tail_whole(ev->fd, ev->size);

    if (whole == ev->size)
        return 0;
    if (ftruncate(ev->fd, (off_t)whole) != 0)
        return err_set_errno(e, ERR_IO, errno, "could not mend \"%s\"",
            ev->path);
    ev->size = whole;
    return 0;
}

static bool
take_seq(void *ctx, json_t *event)
{
    uint64_t *seq = ctx;

    *seq = (uint64_t)json_integer_value(json_object_get(event, "seq"));
    return false;
}

static void
find_last_seq(struct events *ev)
{
    int fd;

    events_tail_walk(ev->fd, ev->size, take_seq, &ev->seq);
    if (ev->seq != 0)
        return;
    fd = open(ev->old_path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return;
    events_tail_walk(fd, events_tail_size(fd), take_seq, &ev->seq);
    close(fd);
}

int
events_open(struct events **eventsp, const char *state_dir,
    const char *node_name, struct err *e)
{
    struct events *ev = alloc_zeroed(1, sizeof(*ev));

    *eventsp = NULL;
    ev->fd = -1;
    ev->path = file_join(state_dir, "events.jsonl");
    ev->old_path = file_join(state_dir, "events.jsonl.1");
    ev->node_name = alloc_string(node_name);
    pthread_mutex_init(&ev->lock, NULL);
    if (open_present(ev, e) != 0 || drop_torn_line(ev, e) != 0) {
        events_close(ev);
        return -1;
    }
    find_last_seq(ev);
    *eventsp = ev;
    return 0;
}

void
events_close(struct events *ev)
{
    if (ev == NULL)
        return;
    if (ev->fd != -1)
        close(ev->fd);
    pthread_mutex_destroy(&ev->lock);
    free(ev->path);
    free(ev->old_path);
    free(ev->node_name);
    free(ev);
}

/* Begins a new file when the present one is full; without success the present
 * one grows on. */
static void
rotate(struct events *ev)
{
    struct err e = ERR_INIT;
    int old = ev->fd;

    if (file_rename(ev->path, ev->old_path, &e) != 0 ||
        open_present(ev, &e) != 0) {
        ev->fd = old;
        log_warning("could not begin a new file of events: %s", e.message);
        return;
    }
    close(old);
}

static void
append(struct events *ev, const char *line, size_t len)
{
    struct err e = ERR_INIT;

    if (ev->size >= EVENTS_FILE_MAX)
        rotate(ev);
    if (file_write_all(ev->fd, line, len, &e) != 0) {
        log_warning("could not write an event: %s", e.message);
        /* Half a line would spoil the next one. */
        if (ftruncate(ev->fd, (off_t)ev->size) != 0)
            log_warning("could not mend the file of events");
        return;
    }
    ev->size += len;
}

static void
log_event(const char *level, const char *kind, const char *server,
    const char *dataset, const char *text)
{
    enum log_level l = LOG_LEVEL_INFO;

    if (strcmp(level, "warning") == 0)
        l = LOG_LEVEL_WARNING;
    else if (strcmp(level, "error") == 0)
        l = LOG_LEVEL_ERROR;
    log_message(l, "%s%s%s%s%s: %s", kind, server != NULL ? " " : "",
        server != NULL ? server : "", dataset != NULL ? " " : "",
        dataset != NULL ? dataset : "", text);
}

void
events_add(struct events *ev, const char *level, const char *kind,
    const char *server, const char *dataset, const char *fmt, ...)
{
    char text[2048];
    json_t *event;
    char *line;
    size_t len;
    va_list ap;

    va_start(ap, fmt);
    if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
        text[0] = '\0';
    va_end(ap);
    log_event(level, kind, server, dataset, text);

    event = json_object();
    pthread_mutex_lock(&ev->lock);
    json_object_set_new(event, "seq", json_integer((json_int_t)++ev->seq));
    json_object_set_new(event, "time", json_time(clock_utc_ms()));
    json_object_set_new(event, "node", json_text(ev->node_name));
    json_object_set_new(event, "kind", json_text(kind));
    json_object_set_new(event, "level", json_text(level));
    if (server != NULL)
        json_object_set_new(event, "server", json_text(server));
    if (dataset != NULL)
        json_object_set_new(event, "dataset", json_text(dataset));
    json_object_set_new(event, "text", json_text(text));
    line = json_write(event);
    len = strlen(line);
    line = alloc_resize(line, len + 1, 1);
    line[len++] = '\n'; /* in the place of the NUL */
    append(ev, line, len);
    pthread_mutex_unlock(&ev->lock);
    free(line);
    json_decref(event);
}

int
events_reader(struct events *ev, int *fd, struct err *e)
{
    /* A new open file, not a duplicate: its position is the reader's own. */
    *fd = open(ev->path, O_RDONLY | O_CLOEXEC);
    if (*fd == -1)
        return err_set_errno(e, ERR_IO, errno, "could not read the events");
    return 0;
}

uint64_t
events_size(struct events *ev)
{
    uint64_t size;

    pthread_mutex_lock(&ev->lock);
    size = ev->size;
    pthread_mutex_unlock(&ev->lock);
    return size;
}

struct listing {
    json_t *newest_first;
    int64_t since_ms;
    size_t max;
};

static bool
take_event(void *ctx, json_t *event)
{
    const char *stamp = json_string_value(json_object_get(event, "time"));
    struct listing *l = ctx;
    struct err e = ERR_INIT;
    int64_t at_ms = 0;

    if (json_array_size(l->newest_first) >= l->max)
        return false;
    if (stamp != NULL)
        clock_parse(stamp, &at_ms, &e);
    if (at_ms < l->since_ms)
        return false;
    json_array_append(l->newest_first, event);
    return true;
}

json_t *
events_list(struct events *ev, int64_t since_ms, size_t max)
{
    struct listing l = { json_array(), since_ms, max };
    json_t *list = json_array();
    int fds[2];
    uint64_t size;
    size_t i;

    pthread_mutex_lock(&ev->lock);
    fds[0] = open(ev->path, O_RDONLY | O_CLOEXEC);
    fds[1] = open(ev->old_path, O_RDONLY | O_CLOEXEC);
    size = ev->size;
    pthread_mutex_unlock(&ev->lock);

    if (fds[0] != -1 && events_tail_walk(fds[0], size, take_event, &l) &&
        fds[1] != -1)
        events_tail_walk(fds[1], events_tail_size(fds[1]), take_event, &l);
    for (i = 0; i < 2; i++) {
        if (fds[i] != -1)
            close(fds[i]);
    }
    for (i = json_array_size(l.newest_first); i > 0; i--)
        json_array_append(list, json_array_get(l.newest_first, i - 1));
    json_decref(l.newest_first);
    return list;
}

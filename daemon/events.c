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
#include "daemon/events_after.h"
#include "daemon/events_outlet.h"
#include "daemon/events_sync.h"
#include "daemon/events_tail.h"

#define EVENTS_FILE_MAX ((uint64_t)16 << 20)
#define COLLECTED_FILE_MAX ((uint64_t)4 << 20)
/* Of another node's text; what comes with it is shorter. */
#define COLLECTED_TEXT_MAX 2048
#define COLLECTED_WORD_MAX 256

struct events {
    pthread_mutex_t lock; /* all below */
    char *path;
    char *old_path;
    char *node_name;
    int fd;
    uint64_t size;
    uint64_t size_max;
    uint64_t seq; /* of the newest event */
    struct events_outlet *outlet;
    struct events_sync *sync; /* NULL: another node's, who can be asked again */
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

static int
open_named(struct events **eventsp, const char *folder, const char *file,
    const char *node_name, uint64_t size_max, struct err *e)
{
    struct events *ev = alloc_zeroed(1, sizeof(*ev));

    *eventsp = NULL;
    ev->fd = -1;
    ev->size_max = size_max;
    ev->path = file_join(folder, file);
    ev->old_path = alloc_format("%s.1", ev->path);
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

int
events_open(struct events **eventsp, const char *state_dir,
    const char *node_name, struct err *e)
{
    if (open_named(eventsp, state_dir, "events.jsonl", node_name,
            EVENTS_FILE_MAX, e) != 0)
        return -1;
    if (events_sync_start(&(*eventsp)->sync, (*eventsp)->path, e) == 0)
        return 0;
    events_close(*eventsp);
    *eventsp = NULL;
    return -1;
}

int
events_open_collected(struct events **eventsp, const char *folder,
    const char *file, const char *node, struct err *e)
{
    return open_named(eventsp, folder, file, node, COLLECTED_FILE_MAX, e);
}

void
events_close(struct events *ev)
{
    if (ev == NULL)
        return;
    events_sync_stop(ev->sync);
    if (ev->fd != -1)
        close(ev->fd);
    pthread_mutex_destroy(&ev->lock);
    events_outlet_close(ev->outlet);
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
    if (ev->sync != NULL)
        events_sync_retire(ev->sync, old);
    else
        close(old);
}

static void
append(struct events *ev, const char *line, size_t len)
{
    struct err e = ERR_INIT;

    if (ev->size >= ev->size_max)
        rotate(ev);
    if (file_write_all(ev->fd, line, len, &e) != 0) {
        log_warning("could not write an event: %s", e.message);
        /* Half a line would spoil the next one. */
        if (ftruncate(ev->fd, (off_t)ev->size) != 0)
            log_warning("could not mend the file of events");
        return;
    }
    ev->size += len;
    if (ev->sync != NULL)
        events_sync_note(ev->sync, ev->fd);
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

static void
append_event(struct events *ev, const json_t *event)
{
    char *line = json_write(event);
    size_t len = strlen(line);

    line = alloc_resize(line, len + 1, 1);
    line[len++] = '\n'; /* in the place of the NUL */
    append(ev, line, len);
    free(line);
}

/* Numbers, dates and keeps it; steals EVENT, whose text is there already. */
static void
add_event(struct events *ev, const char *level, const char *kind, json_t *rest)
{
    json_t *event = json_object();

    pthread_mutex_lock(&ev->lock);
    json_object_set_new(event, "seq", json_integer((json_int_t)++ev->seq));
    json_object_set_new(event, "time", json_time(clock_utc_ms()));
    json_object_set_new(event, "node", json_text(ev->node_name));
    json_object_set_new(event, "kind", json_text(kind));
    json_object_set_new(event, "level", json_text(level));
    json_object_update(event, rest);
    append_event(ev, event);
    events_outlet_send(ev->outlet, event);
    pthread_mutex_unlock(&ev->lock);
    json_decref(rest);
    json_decref(event);
}

void
events_add(struct events *ev, const char *level, const char *kind,
    const char *server, const char *dataset, const char *fmt, ...)
{
    json_t *rest = json_object();
    char text[2048];
    va_list ap;

    va_start(ap, fmt);
    if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
        text[0] = '\0';
    va_end(ap);
    log_event(level, kind, server, dataset, text);
    if (server != NULL)
        json_object_set_new(rest, "server", json_text(server));
    if (dataset != NULL)
        json_object_set_new(rest, "dataset", json_text(dataset));
    json_object_set_new(rest, "text", json_text(text));
    add_event(ev, level, kind, rest);
}

void
events_add_deed(struct events *ev, const char *level, const char *kind,
    const char *who, const char *result, const char *fmt, ...)
{
    static const char from[] = " from ";
    const char *address = NULL, *next = who;
    json_t *rest = json_object();
    char text[2048];
    va_list ap;

    va_start(ap, fmt);
    if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
        text[0] = '\0';
    va_end(ap);
    log_event(level, kind, NULL, NULL, text);
    /* The last one: a name may hold the word, an address cannot. */
    while ((next = strstr(next, from)) != NULL)
        address = next++;
    json_object_set_new(rest, "who",
        json_stringn(who,
            address != NULL ? (size_t)(address - who) : strlen(who)));
    if (address != NULL)
        json_object_set_new(rest, "from", json_text(address + strlen(from)));
    json_object_set_new(rest, "result", json_text(result));
    json_object_set_new(rest, "text", json_text(text));
    add_event(ev, level, kind, rest);
}

void
events_set_outlet(struct events *ev, struct events_outlet *outlet)
{
    struct events_outlet *old;

    pthread_mutex_lock(&ev->lock);
    old = ev->outlet;
    ev->outlet = outlet;
    pthread_mutex_unlock(&ev->lock);
    events_outlet_close(old);
}

uint64_t
events_newest(struct events *ev)
{
    uint64_t seq;

    pthread_mutex_lock(&ev->lock);
    seq = ev->seq;
    pthread_mutex_unlock(&ev->lock);
    return seq;
}

static void
copy_text(json_t *to, const json_t *from, const char *member, size_t most)
{
    const char *text = json_string_value(json_object_get(from, member));
    char *cut;

    if (text == NULL)
        return;
    cut = alloc_copy(text, strnlen(text, most));
    json_object_set_new(to, member, json_text(cut));
    free(cut);
}

void
events_collect(struct events *ev, const json_t *event)
{
    static const char *const words[] = { "kind", "level", "server", "dataset",
        "who", "from", "result" };
    json_int_t seq = json_integer_value(json_object_get(event, "seq"));
    json_t *kept;

    if (seq <= 0 || (uint64_t)seq <= ev->seq)
        return;
    kept = json_pack("{s:I}", "seq", seq);
    copy_text(kept, event, "time", CLOCK_TEXT_SIZE);
    json_object_set_new(kept, "node", json_text(ev->node_name));
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        copy_text(kept, event, words[i], COLLECTED_WORD_MAX);
    copy_text(kept, event, "text", COLLECTED_TEXT_MAX);
    pthread_mutex_lock(&ev->lock);
    append_event(ev, kept);
    ev->seq = (uint64_t)seq;
    pthread_mutex_unlock(&ev->lock);
    json_decref(kept);
}

void
events_begin_anew(struct events *ev)
{
    pthread_mutex_lock(&ev->lock);
    rotate(ev);
    ev->seq = 0;
    pthread_mutex_unlock(&ev->lock);
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

/* The present file and the one before, of which one may be missing; -1 then.
 * SIZE is the present one's. */
static void
open_both(struct events *ev, int fds[2], uint64_t *size)
{
    pthread_mutex_lock(&ev->lock);
    fds[0] = open(ev->path, O_RDONLY | O_CLOEXEC);
    fds[1] = open(ev->old_path, O_RDONLY | O_CLOEXEC);
    *size = ev->size;
    pthread_mutex_unlock(&ev->lock);
}

static void
close_both(const int fds[2])
{
    for (int i = 0; i < 2; i++)
        if (fds[i] != -1)
            close(fds[i]);
}

json_t *
events_after(struct events *ev, uint64_t after, size_t max)
{
    json_t *list = json_array();
    uint64_t size;
    int fds[2];

    open_both(ev, fds, &size);
    if (fds[1] != -1)
        events_file_after(fds[1], events_tail_size(fds[1]), after, max, list);
    if (fds[0] != -1)
        events_file_after(fds[0], size, after, max, list);
    close_both(fds);
    return list;
}

json_t *
events_list(struct events *ev, int64_t since_ms, size_t max)
{
    struct listing l = { json_array(), since_ms, max };
    json_t *list = json_array();
    int fds[2];
    uint64_t size;
    size_t i;

    open_both(ev, fds, &size);
    if (fds[0] != -1 && events_tail_walk(fds[0], size, take_event, &l) &&
        fds[1] != -1)
        events_tail_walk(fds[1], events_tail_size(fds[1]), take_event, &l);
    close_both(fds);
    for (i = json_array_size(l.newest_first); i > 0; i--)
        json_array_append(list, json_array_get(l.newest_first, i - 1));
    json_decref(l.newest_first);
    return list;
}

/*
 * Asking, and keeping: STATE_DIR/events/NODE-ID.jsonl, one file (and the one
 * before) per node, so that none can push another's events out.
 */
#include "daemon/fleet_events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "admin-proto/push_frame.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "daemon/events.h"
#include "daemon/fleet_internal.h"
#include "daemon/link_control.h"

#define BATCH 200
/* More than this waits for the server's next OK. */
#define BATCHES_MAX 10

static struct events *
open_file(const struct server *server, struct err *e)
{
    const char *state_dir = server->fleet->engine->settings.state_dir;
    char *folder = file_join(state_dir, "events");
    char id[2 * ID_SIZE + 1], name[sizeof(id) + 8];
    struct events *events = NULL;

    hex_encode(server->record.node_id, ID_SIZE, id);
    snprintf(name, sizeof(name), "%s.jsonl", id);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        err_set_errno(e, ERR_IO, errno, "could not make \"%s\"", folder);
    else
        events_open_collected(&events, folder, name, server->record.name, e);
    free(folder);
    return events;
}

static void collect(struct server *server);

/* The last number kept; the server's own may be lower after it was restored
 * from a backup: then its numbers begin anew, and ours with them. */
static int
keep(struct server *server, const json_t *result, struct err *e)
{
    const json_t *list = json_member(result, "events"), *event;
    struct events *file = open_file(server, e);
    int64_t newest = 0;
    size_t i;

    if (file == NULL)
        return -1;
    if (json_member_int(result, "newest", true, &newest, e) != 0) {
        events_close(file);
        return -1;
    }
    if ((uint64_t)newest < events_newest(file))
        events_begin_anew(file);
    json_array_foreach (list, i, event)
        events_collect(file, event);
    server->events_kept = events_newest(file);
    if (json_array_size(list) == 0)
        server->events_told = server->events_kept;
    events_close(file);
    return 0;
}

static void
collected(void *ctx, const json_t *result, const struct err *e)
{
    struct server *server = ctx;
    struct err error = *e;

    server->collecting = NULL;
    if (e->code == ERR_NONE && keep(server, result, &error) == 0) {
        collect(server);
        return;
    }
    log_warning("the events of \"%s\" were not collected: %s",
        server->record.name, error.message);
    server->batches = BATCHES_MAX;
}

static void
collect(struct server *server)
{
    json_t *args;

    if (!server->ready || server->collecting != NULL ||
        server->removal != NULL || server->batches >= BATCHES_MAX ||
        server->events_told == server->events_kept)
        return;
    server->batches++;
    args = json_pack("{s:I, s:i}", "after", (json_int_t)server->events_kept,
        "limit", BATCH);
    server->collecting =
        link_control_run(server->link, "events list", args, collected, server);
    json_decref(args);
}

static void
read_kept(struct server *server)
{
    struct err e = ERR_INIT;
    struct events *file = open_file(server, &e);

    if (file == NULL) {
        log_warning("%s", e.message);
        return;
    }
    server->events_kept = events_newest(file);
    server->events_known = true;
    events_close(file);
}

void
server_hear_events(struct server *server, const struct link_reply *reply)
{
    char digits[PUSH_NOTICE_MAX] = "";
    unsigned long long newest;
    char *end;

    if (reply->text_len == 0 || reply->text_len >= sizeof(digits))
        return;
    memcpy(digits, reply->text, reply->text_len);
    newest = strtoull(digits, &end, 10);
    if (end == digits || (*end != '\0' && *end != ' '))
        return;
    server->events_told = newest;
    if (!server->events_known)
        read_kept(server);
    server->batches = 0;
    if (server->events_known)
        collect(server);
}

void
server_forget_collecting(struct server *server)
{
    link_control_cancel(server->collecting);
    server->collecting = NULL;
}

/* What was collected under another id; what cannot be moved stays there. */
static void
move_file(const char *folder, const char *from, const char *to,
    const char *suffix)
{
    char *old = alloc_format("%s/%s.jsonl%s", folder, from, suffix);
    char *new = alloc_format("%s/%s.jsonl%s", folder, to, suffix);
    struct err e = ERR_INIT;

    if (file_exists(old) && file_rename(old, new, &e) != 0)
        log_warning("%s", e.message);
    free(old);
    free(new);
}

void
server_events_moved(struct server *server, const uint8_t before[ID_SIZE])
{
    char from[2 * ID_SIZE + 1], to[2 * ID_SIZE + 1];
    char *folder;

    server->events_known = false;
    server->events_told = 0;
    if (memcmp(before, server->record.node_id, ID_SIZE) == 0)
        return;
    folder = file_join(server->fleet->engine->settings.state_dir, "events");
    hex_encode(before, ID_SIZE, from);
    hex_encode(server->record.node_id, ID_SIZE, to);
    move_file(folder, from, to, ".1");
    move_file(folder, from, to, "");
    free(folder);
}

json_t *
fleet_events(struct fleet *fleet, const char *name, int64_t since_ms,
    size_t max)
{
    json_t *all = json_array();

    for (size_t i = 0; i < fleet->server_count; i++) {
        const struct server *server = fleet->servers[i];
        struct err ignored = ERR_INIT;
        struct events *file;

        if (name != NULL && strcmp(server->record.name, name) != 0)
            continue;
        file = open_file(server, &ignored);
        if (file != NULL) {
            json_t *list = events_list(file, since_ms, max);

            json_array_extend(all, list);
            json_decref(list);
        }
        events_close(file);
    }
    return all;
}

/*
 * events: what happened.  Followed by watching the size of the file: a read
 * never waits.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "manager-tui/cli.h"
#include "manager-tui/results.h"

#define EVENTS_PATH "/events.jsonl"
#define POLL_MS 250
#define LINE_MAX_BYTES 65536

static const struct column event_columns[] = {
    { "TIME", "time", COLUMN_TIME, false },
    { "NODE", "node", COLUMN_TEXT, false },
    { "LEVEL", "level", COLUMN_TEXT, false },
    { "KIND", "kind", COLUMN_TEXT, false },
    { "SERVER", "server", COLUMN_TEXT, false },
    { "DATASET", "dataset", COLUMN_TEXT, false },
    { "TEXT", "text", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct view event_views[] = {
    { "events", true, event_columns, "No events." },
    VIEWS_END,
};

struct follower {
    struct cli *cli;
    struct admin_client *client;
    const char *server; /* NULL: of all */
    struct buf partial; /* a line that has not ended */
    uint64_t offset;
    int64_t seen; /* the highest seq that was shown */
};

static bool
is_about(const json_t *event, const char *server)
{
    const char *name = json_string_value(json_object_get(event, "server"));
    const char *node = json_string_value(json_object_get(event, "node"));

    return server == NULL || (name != NULL && strcmp(name, server) == 0) ||
           (node != NULL && strcmp(node, server) == 0);
}

static void
show_event(struct follower *f, const json_t *event)
{
    int64_t seq = json_integer_value(json_object_get(event, "seq"));

    if (seq <= f->seen || !is_about(event, f->server))
        return;
    f->seen = seq;
    if (f->cli->json) {
        json_dumpf(event, stdout, JSON_COMPACT);
        fputc('\n', stdout);
        return;
    }
    for (size_t i = 0; event_columns[i].title != NULL; i++) {
        char *cell = view_cell(event, &event_columns[i]);

        fprintf(stdout, "%s%s", i > 0 ? "  " : "", cell);
        free(cell);
    }
    fputc('\n', stdout);
}

static int
take_bytes(void *ctx, const void *data, size_t len)
{
    struct follower *f = ctx;
    const char *line, *end;

    f->offset += len;
    buf_put(&f->partial, data, len);
    while ((line = (const char *)f->partial.data) != NULL &&
           (end = memchr(line, '\n', f->partial.len)) != NULL) {
        struct err ignored = ERR_INIT;
        json_t *event = NULL;

        if (json_read_object(line, (size_t)(end - line), &event, &ignored) == 0)
            show_event(f, event);
        json_decref(event);
        buf_consume(&f->partial, (size_t)(end - line) + 1);
    }
    if (f->partial.len > LINE_MAX_BYTES)
        buf_clear(&f->partial);
    fflush(stdout);
    return 0;
}

static int
follow(struct follower *f, struct err *e)
{
    const struct timespec pause = { 0, POLL_MS * 1000000L };
    uint64_t size = 0;

    while (!ferror(stdout)) {
        if (admin_client_stat(f->client, EVENTS_PATH, &size, e) != 0)
            return -1;
        if (size < f->offset) {
            /* A new file began; what it repeats has a known number. */
            f->offset = 0;
            buf_clear(&f->partial);
        }
        if (size > f->offset && admin_client_fetch_to(f->client, EVENTS_PATH,
                                    f->offset, take_bytes, f, e) != 0)
            return -1;
        nanosleep(&pause, NULL);
    }
    return 0;
}

/* What --since asks for, then everything new. */
static int
follow_from(struct cli *cli, json_t *args, const char *server, bool since,
    struct err *e)
{
    struct follower f = { .cli = cli, .server = server, .partial = BUF_INIT };
    json_t *result = NULL, *events, *event;
    size_t i;
    int r = -1;

    if (cli_client(cli, &f.client, e) != 0 ||
        admin_client_stat(f.client, EVENTS_PATH, &f.offset, e) != 0)
        goto out;
    if (since) {
        if (cli_control(cli, "events list", args, 0, &result, e) != 0)
            goto out;
        events = json_object_get(result, "events");
        json_array_foreach (events, i, event)
            show_event(&f, event);
        fflush(stdout);
    }
    r = follow(&f, e);
out:
    json_decref(result);
    buf_release(&f.partial);
    return r;
}

static int
run_events(struct cli *cli, const struct command *command, json_t *args,
    struct err *e)
{
    json_t *result = NULL;
    const char *server = NULL;
    bool wait = false;

    if (json_member_bool(args, "follow", false, &wait, e) != 0 ||
        json_member_string(args, "server", false, &server, e) != 0)
        return -1;
    json_object_del(args, "follow");
    if (wait)
        return follow_from(cli, args, server,
            json_object_get(args, "since") != NULL, e);
    if (cli_control(cli, "events list", args, 0, &result, e) != 0)
        return -1;
    cli_show(cli, result, command->views);
    json_decref(result);
    return 0;
}

static const struct option events_options[] = {
    { "follow", NULL, OPTION_FLAG, "follow", "go on as they happen" },
    { "since", "TIME", OPTION_TIME, "since", "a date, a time, or 2h" },
    { "node", "NAME", OPTION_TEXT, "server",
        "of this server, and about it, alone" },
    { "all", NULL, OPTION_FLAG, "all", "of all servers, and of this node" },
    { "limit", "N", OPTION_INT, "limit", "the newest so many" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

const struct command events_commands[] = {
    { "events", NULL, "", "what happened on this node",
        "events --since 2h\nevents --follow\n"
        "events --follow --json --node edge-1\n",
        "", events_options, run_events, event_views },
    { .noun = NULL },
};

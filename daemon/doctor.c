/*
 * "doctor": whether this node is in order.  Each check is one entry of the
 * answer, with what to do when it is not; the databases are checked on their
 * strands, after everything else.
 */
#include "daemon/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "daemon/control.h"
#include "daemon/datasets.h"
#include "daemon/engine.h"
#include "daemon/fleet.h"
#include "daemon/listener.h"
#include "sync/sound.h"

/* Less than this is too little to overwrite anything. */
#define DISK_LEAST ((uint64_t)64 * 1024 * 1024)
#define YEAR_2024_MS ((int64_t)1704067200000)
#define YEAR_2100_MS ((int64_t)4102444800000)

struct examination {
    struct control_call *call;
    json_t *checks;
    size_t running;
};

static void
add(json_t *checks, const char *name, bool ok, const char *text,
    const char *hint)
{
    json_array_append_new(checks,
        json_pack("{s:o, s:b, s:o, s:o}", "name", json_text(name), "ok",
            ok ? 1 : 0, "text", json_text(text), "hint",
            json_text(ok ? NULL : hint)));
}

static void
check_state_dir(const struct engine *engine, json_t *checks)
{
    const char *dir = engine->settings.state_dir;
    bool ok = access(dir, R_OK | W_OK | X_OK) == 0;
    char text[512];

    snprintf(text, sizeof(text), "\"%s\" %s", dir,
        ok ? "is ours to write" : "cannot be written");
    add(checks, "state directory", ok, text,
        "Give it to the user that lockstepd runs as, with mode 0700.");
}

static void
check_disk(const struct engine *engine, json_t *checks)
{
    struct err e = ERR_INIT;
    uint64_t bytes = 0;
    char text[600];
    bool ok;

    ok = file_free_bytes(engine->settings.state_dir, &bytes, &e) == 0;
    if (ok)
        snprintf(text, sizeof(text), "%llu MiB free",
            (unsigned long long)(bytes >> 20));
    else
        snprintf(text, sizeof(text), "%s", e.message);
    add(checks, "disk", ok && bytes >= DISK_LEAST, text,
        "Make room on the file system of the state directory.");
}

static void
check_clock(json_t *checks)
{
    int64_t now_ms = clock_utc_ms();
    char stamp[CLOCK_TEXT_SIZE];

    clock_format(now_ms, stamp);
    add(checks, "clock", now_ms > YEAR_2024_MS && now_ms < YEAR_2100_MS, stamp,
        "Set the clock, and let chrony or another service keep it right.");
}

static void
check_listener(const struct engine *engine, json_t *checks)
{
    char text[512];

    snprintf(text, sizeof(text), "listens on %s, here reached as %s",
        engine->settings.listen, listener_address(engine->listener));
    add(checks, "listener", true, text, NULL);
}

static void
check_role(const struct engine *engine, json_t *checks)
{
    const struct node *node = &engine->node;
    char stamp[CLOCK_TEXT_SIZE];
    char text[1024];

    if (node->role == NODE_SECONDARY) {
        clock_format(node->primary_heard_ms, stamp);
        snprintf(text, sizeof(text), "secondary of \"%s\", last heard %s",
            node->primary_name, stamp[0] != '\0' ? stamp : "never");
        add(checks, "role", node->primary_heard_ms != 0, text,
            "Look at \"lockstep server list\" on the primary.");
        return;
    }
    add(checks, "role", true, node_role_name(node->role), NULL);
}

static void
check_health(struct engine *engine, json_t *checks)
{
    char why[512] = "";
    bool ok = fleet_healthy(engine->fleet, why, sizeof(why));

    add(checks, "health", ok, ok ? "as it should be" : why,
        "Look at \"lockstep status\".");
}

static int
check_database(struct dataset *ds, void *arg, struct err *e)
{
    sqlite3 *db = dataset_reader(ds, e);

    (void)arg;
    return db == NULL ? -1 : database_sound(db, e);
}

static void
database_checked(struct dataset *ds, void *arg, const struct err *e)
{
    struct examination *x = arg;
    char name[80];
    bool held = ds->view.held[0] != '\0';

    snprintf(name, sizeof(name), "dataset %s", ds->name);
    if (e->code != ERR_NONE)
        add(x->checks, name, false, e->message,
            "Restore it from a backup, or overwrite it from the primary.");
    else
        add(x->checks, name, !held, held ? ds->view.held : "sound",
            "Look at it, then run \"lockstep dataset accept\".");
    if (--x->running > 0)
        return;
    control_finish(x->call, json_pack("{s:o}", "checks", x->checks));
    free(x);
}

void
doctor_run(struct control_call *call)
{
    struct engine *engine = control_engine(call);
    struct examination *x = alloc_zeroed(1, sizeof(*x));
    size_t i;

    x->call = call;
    x->checks = json_array();
    check_state_dir(engine, x->checks);
    check_disk(engine, x->checks);
    check_clock(x->checks);
    check_listener(engine, x->checks);
    check_role(engine, x->checks);
    check_health(engine, x->checks);
    add(x->checks, "filter", true, "who matches no rule is refused", NULL);
    x->running = datasets_count(engine->datasets);
    for (i = 0; i < datasets_count(engine->datasets); i++)
        dataset_run(datasets_at(engine->datasets, i),
            &(struct dataset_job){ .work = check_database,
                .done = database_checked,
                .arg = x });
}

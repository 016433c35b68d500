/*
 * "doctor": whether this node is in order.  Each check is one entry of the
 * answer, with what to do when it is not; the databases are checked on their
 * strands, after everything else.
 */
#include "daemon/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin-proto/push_frame.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "daemon/control.h"
#include "daemon/datasets.h"
#include "daemon/doctor_check.h"
#include "daemon/engine.h"
#include "daemon/fleet.h"
#include "daemon/listener.h"
#include "sync/sound.h"

#define YEAR_2024_MS ((int64_t)1704067200000)
#define YEAR_2100_MS ((int64_t)4102444800000)

struct examination {
    struct control_call *call;
    json_t *checks;
    size_t running;
};

void
doctor_add(json_t *checks, const char *name, bool ok, const char *text,
    const char *hint)
{
    json_array_append_new(checks,
        json_pack("{s:o, s:b, s:o, s:o, s:[]}", "name", json_text(name), "ok",
            ok ? 1 : 0, "text", json_text(text), "hint",
            json_text(hint != NULL && hint[0] != '\0' ? hint : NULL), "type"));
}

void
doctor_advise(json_t *checks, const char *fmt, ...)
{
    json_t *check = json_array_get(checks, json_array_size(checks) - 1);
    char command[512] = "lockstep ";
    size_t used = strlen(command);
    va_list ap;

    va_start(ap, fmt);
    if (vsnprintf(command + used, sizeof(command) - used, fmt, ap) > 0)
        json_array_append_new(json_object_get(check, "type"),
            json_text(command));
    va_end(ap);
}

static void
check_clock(json_t *checks)
{
    int64_t now_ms = clock_utc_ms();
    bool ok = now_ms > YEAR_2024_MS && now_ms < YEAR_2100_MS;
    char stamp[CLOCK_TEXT_SIZE];

    clock_format(now_ms, stamp);
    doctor_add(checks, "clock", ok, stamp,
        ok ? NULL
           : "Set the clock, and let chrony or another service keep it "
             "right.");
}

static void
check_listener(const struct engine *engine, json_t *checks)
{
    char text[512];

    snprintf(text, sizeof(text), "listens on %s, here reached as %s",
        engine->settings.listen, listener_address(engine->listener));
    doctor_add(checks, "listener", true, text, NULL);
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
        doctor_add(checks, "role", node->primary_heard_ms != 0, text,
            node->primary_heard_ms != 0
                ? NULL
                : "Look at \"lockstep server list\" on the primary.");
        return;
    }
    doctor_add(checks, "role", true, node_role_name(node->role), NULL);
}

static void
check_health(struct engine *engine, json_t *checks)
{
    char why[512] = "";
    bool ok = fleet_healthy(engine->fleet, why, sizeof(why));

    doctor_add(checks, "health", ok, ok ? "as it should be" : why,
        ok ? NULL : "Look at \"lockstep status\".");
}

/* What a doctor at the other end of the line compares with. */
static json_t *
result_json(const struct control_call *call, json_t *checks)
{
    const struct engine *engine = control_engine(call);
    const struct node *node = &engine->node;

    return json_pack("{s:o, s:s, s:s, s:s, s:s, s:i, s:s, s:o}", "checks",
        checks, "name", node->name, "role", node_role_name(node->role),
        "cluster", node->cluster_name, "version", LOCKSTEP_VERSION, "protocol",
        PUSH_PROTOCOL_VERSION, "seen_from", control_address(call), "time",
        json_time(clock_utc_ms()));
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
        doctor_add(x->checks, name, false, e->message,
            "Restore it from a backup, or overwrite it from the primary.");
    else
        doctor_add(x->checks, name, !held, held ? ds->view.held : "sound",
            held ? "Look at it, then accept it." : NULL);
    if (e->code == ERR_NONE && held)
        doctor_advise(x->checks, "dataset accept %s", ds->name);
    if (--x->running > 0)
        return;
    control_finish(x->call, result_json(x->call, x->checks));
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
    doctor_check_files(engine, x->checks);
    check_clock(x->checks);
    check_listener(engine, x->checks);
    check_role(engine, x->checks);
    check_health(engine, x->checks);
    doctor_check_fleet(engine, x->checks);
    doctor_check_door(engine, control_address(call), x->checks);
    x->running = datasets_count(engine->datasets);
    for (i = 0; i < datasets_count(engine->datasets); i++)
        dataset_run(datasets_at(engine->datasets, i),
            &(struct dataset_job){ .work = check_database,
                .done = database_checked,
                .arg = x });
}

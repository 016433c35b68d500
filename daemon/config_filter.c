/*
 * Commands "ipfilter ...".  The node's own rules are in the store, which only
 * the loop uses; the cluster's are in dataset config, which only jobs use.  So
 * a command decides on the loop whose rules it means, then does the same
 * operation here or there.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "daemon/config_job.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/filter.h"
#include "daemon/filter_confirm.h"
#include "daemon/filter_guard.h"
#include "daemon/filter_rules.h"
#include "daemon/filter_undo.h"
#include "daemon/gate.h"
#include "daemon/service_rules.h"
#include "daemon/store.h"

/* What a change is about, once positions are resolved. */
struct rule_change {
    bool cluster;
    int64_t index; /* from 0 among the rules meant; -1: none given */
    int64_t to;
    int64_t id;        /* given instead of an index; -1 */
    bool force;        /* whomever it shuts out */
    int64_t confirm_s; /* 0: stays unconfirmed */
    struct filter_guard guard;
    json_t *undo;
    int (*run)(struct rule_change *change, sqlite3 *db, const char *table,
        const json_t *args, char **note, json_t **result, struct err *e);
};

static sqlite3 *
local_database(struct engine *engine)
{
    return store_database(engine->node.store);
}

static int
answer_rule(sqlite3 *db, const char *table, bool cluster, int64_t id,
    json_t **result, struct err *e)
{
    json_t *rules = NULL;

    if (filter_rules_json(db, table, cluster, &rules, e) != 0)
        return -1;
    filter_rules_number(rules);
    *result = filter_rules_pick(rules, id);
    json_decref(rules);
    return 0;
}

static int
run_add(struct rule_change *change, sqlite3 *db, const char *table,
    const json_t *args, char **note, json_t **result, struct err *e)
{
    struct row row = ROW_INIT;
    char address[128];
    int64_t id = 0;

    if (filter_rules_take(&row, address, args, e) != 0 ||
        filter_rules_add(db, table, &row, change->index, &id, e) != 0 ||
        answer_rule(db, table, change->cluster, id, result, e) != 0)
        return -1;
    change->undo = filter_undo_add(id);
    *note = alloc_format("filter rule %s %s added",
        json_string_value(json_object_get(args, "action")), address);
    return 0;
}

static int
run_remove(struct rule_change *change, sqlite3 *db, const char *table,
    const json_t *args, char **note, json_t **result, struct err *e)
{
    json_t *rule = NULL;
    int64_t id = change->id;

    (void)args;
    if (id == -1 && filter_rules_at(db, table, change->index, &id, e) != 0)
        return -1;
    change->undo = filter_undo_remove(db, table, id, e);
    if (change->undo == NULL ||
        answer_rule(db, table, change->cluster, id, &rule, e) != 0)
        return -1;
    if (row_delete(db, table, id, "the rule", e) != 0) {
        json_decref(rule);
        return -1;
    }
    *note = alloc_format("filter rule %s %s removed",
        json_string_value(json_object_get(rule, "action")),
        json_string_value(json_object_get(rule, "address")));
    *result = json_pack("{s:o}", "removed", rule);
    return 0;
}

static int
run_move(struct rule_change *change, sqlite3 *db, const char *table,
    const json_t *args, char **note, json_t **result, struct err *e)
{
    int64_t id = 0;

    (void)args;
    if (filter_rules_at(db, table, change->index, &id, e) != 0 ||
        (change->undo = filter_undo_move(db, table, id, e)) == NULL ||
        filter_rules_move(db, table, change->index, change->to, e) != 0 ||
        answer_rule(db, table, change->cluster, id, result, e) != 0)
        return -1;
    *note = alloc_format("filter rule %" PRId64 " moved", id);
    return 0;
}

/* In a transaction that the caller rolls back on -1. */
static int
run_guarded(struct rule_change *change, sqlite3 *db, const char *table,
    const json_t *args, char **note, json_t **result, struct err *e)
{
    if (change->run(change, db, table, args, note, result, e) != 0)
        return -1;
    return change->force ? 0 : filter_guard_check(&change->guard, db, table, e);
}

/* From here on UNDO is the waiting change's, if there is one to wait. */
static int
begin_confirm(struct engine *engine, struct rule_change *change, json_t *result,
    struct err *e)
{
    json_t *undo = change->undo;

    change->undo = NULL;
    if (change->confirm_s == 0) {
        json_decref(undo);
        return 0;
    }
    if (filter_confirm_begin(engine->filter_confirm, change->cluster, undo,
            change->confirm_s, e) != 0)
        return -1;
    json_object_set_new(result, "reverts_at",
        json_time(filter_confirm_until(engine->filter_confirm)));
    return 0;
}

static int
change_cluster_work(struct config_job *job, struct err *e)
{
    struct rule_change *change = job->ctx;

    if (run_guarded(change, job->db, FILTER_CLUSTER_TABLE, job->args,
            &job->note, &job->result, e) == 0)
        return 0;
    json_decref(change->undo);
    change->undo = NULL;
    return -1;
}

/* The rules of a list of one kind are numbered from 1; what others see starts
 * after the node's own. */
static int
change_cluster_after(struct config_job *job, struct err *e)
{
    json_t *rule = json_object_get(job->result, "removed");
    int64_t local = 0;

    if (begin_confirm(job->engine, job->ctx, job->result, e) != 0)
        return -1;
    if (rule == NULL)
        rule = job->result;
    filter_reload(job->engine->filter);
    if (filter_rules_count(local_database(job->engine), FILTER_LOCAL_TABLE,
            &local, e) != 0)
        return -1;
    json_object_set_new(rule, "position",
        json_integer(
            json_integer_value(json_object_get(rule, "position")) + local));
    return 0;
}

static int
change_local(struct control_call *call, struct rule_change *change,
    json_t **result, struct err *e)
{
    struct engine *engine = control_engine(call);
    struct store *store = engine->node.store;
    char *note = NULL;

    if (store_begin(store, e) != 0)
        return -1;
    if (run_guarded(change, store_database(store), FILTER_LOCAL_TABLE,
            control_args(call), &note, result, e) != 0 ||
        begin_confirm(engine, change, *result, e) != 0 ||
        store_commit(store, e) != 0) {
        store_rollback(store);
        if (change->confirm_s > 0 && change->undo == NULL)
            filter_confirm_drop(engine->filter_confirm);
        json_decref(change->undo);
        json_decref(*result);
        free(note);
        return -1;
    }
    filter_reload(engine->filter);
    events_add(engine->events, "info", "changed", NULL, NULL, "%s: %s",
        control_who(call), note);
    free(note);
    return 0;
}

static int
refuse_on_secondary(const struct engine *engine, struct err *e)
{
    if (engine->node.role != NODE_SECONDARY)
        return 0;
    err_set(e, ERR_NOT_PRIMARY,
        "this node is a secondary: the cluster's rules are changed on its "
        "primary \"%s\"",
        engine->node.primary_name);
    err_hint(e,
        "Run the command on %s, or leave out --cluster for a rule of "
        "this node alone.",
        engine->node.primary_address);
    return -1;
}

/* Which rules the positions mean: those of the node come first. */
static int
resolve(struct engine *engine, struct rule_change *change,
    const char *position_member, const json_t *args, struct err *e)
{
    int64_t position = 0, to = 0, local = 0;
    bool adding = change->run == run_add;

    change->index = change->to = change->id = -1;
    if (json_member_bool(args, "cluster", false, &change->cluster, e) != 0 ||
        json_member_int(args, position_member, false, &position, e) != 0 ||
        json_member_int(args, "to", false, &to, e) != 0 ||
        json_member_int(args, "id", false, &change->id, e) != 0 ||
        filter_rules_count(local_database(engine), FILTER_LOCAL_TABLE, &local,
            e) != 0)
        return -1;
    if (position < 0 || to < 0 || change->id < -1)
        return err_set(e, ERR_INVALID, "positions begin at 1");
    if (position == 0 && change->id == -1 && !adding) {
        err_set(e, ERR_INVALID, "no position was given");
        err_hint(e, "\"lockstep ipfilter list\" shows the positions.");
        return -1;
    }
    if (position > local && !adding)
        change->cluster = true;
    if (position > 0)
        change->index = position - 1 - (change->cluster ? local : 0);
    change->to = to - 1 - (change->cluster ? local : 0);
    if (position > 0 && change->index < 0) {
        err_set(e, ERR_INVALID,
            "position %" PRId64 " is among the node's own rules", position);
        err_hint(e, "The cluster's rules begin at position %" PRId64 ".",
            local + 1);
        return -1;
    }
    return change->cluster ? refuse_on_secondary(engine, e) : 0;
}

static int
take_safety(const struct control_call *call, struct rule_change *change,
    struct err *e)
{
    struct engine *engine = control_engine(call);
    const json_t *args = control_args(call);

    if (json_member_bool(args, "force", false, &change->force, e) != 0 ||
        json_member_int(args, "confirm", false, &change->confirm_s, e) != 0)
        return -1;
    if (change->confirm_s < 0 || change->confirm_s > FILTER_CONFIRM_MAX_S)
        return err_set(e, ERR_INVALID,
            "a change waits 1 to %d seconds to be confirmed",
            FILTER_CONFIRM_MAX_S);
    if (change->confirm_s > 0 &&
        filter_confirm_free(engine->filter_confirm, e) != 0)
        return -1;
    filter_guard_set(&change->guard, engine, control_address(call),
        change->cluster);
    return 0;
}

static void
run_change(struct control_call *call, const char *position_member,
    int (*run)(struct rule_change *change, sqlite3 *db, const char *table,
        const json_t *args, char **note, json_t **result, struct err *e))
{
    static const struct config_task cluster_task = {
        .dataset = "config",
        .write = true,
        .work = change_cluster_work,
        .after = change_cluster_after,
    };
    struct rule_change change = { .run = run }, *copy;
    struct err e = ERR_INIT;
    json_t *result = NULL;

    if (resolve(control_engine(call), &change, position_member,
            control_args(call), &e) != 0 ||
        take_safety(call, &change, &e) != 0) {
        control_fail(call, &e);
        return;
    }
    if (change.cluster) {
        copy = alloc_zeroed(1, sizeof(*copy));
        *copy = change;
        config_run(call, &cluster_task, copy);
    } else if (change_local(call, &change, &result, &e) != 0) {
        control_fail(call, &e);
    } else {
        control_finish(call, result);
    }
}

static int
read_cluster(struct config_job *job, struct err *e)
{
    return filter_rules_json(job->db, FILTER_CLUSTER_TABLE, true, &job->result,
        e);
}

/* Turns the cluster's rules in job->result into all rules, numbered. */
static int
complete_rules(struct config_job *job, json_t **rules, struct err *e)
{
    json_t *defaults;

    if (filter_rules_json(local_database(job->engine), FILTER_LOCAL_TABLE,
            false, rules, e) != 0)
        return -1;
    defaults = filter_rules_defaults();
    json_array_extend(*rules, job->result);
    json_array_extend(*rules, defaults);
    json_decref(defaults);
    filter_rules_number(*rules);
    return 0;
}

static int
list_after(struct config_job *job, struct err *e)
{
    json_t *rules = NULL;

    if (complete_rules(job, &rules, e) != 0)
        return -1;
    json_decref(job->result);
    job->result = json_pack("{s:o,s:s,s:o,s:o}", "rules", rules, "default",
        "deny", "enforced_by",
        service_rules_json(job->engine->settings.state_dir), "reverts_at",
        json_time(filter_confirm_until(job->engine->filter_confirm)));
    return 0;
}

static int
test_after(struct config_job *job, struct err *e)
{
    const char *address = NULL, *name = "admin";
    enum ipfilter_scope scope;
    struct ip_address parsed;
    json_t *rules = NULL;

    if (json_member_string(job->args, "address", true, &address, e) != 0 ||
        json_member_string(job->args, "scope", false, &name, e) != 0 ||
        ip_address_parse(address, &parsed, e) != 0 ||
        filter_scope_parse(name, &scope, e) != 0 ||
        complete_rules(job, &rules, e) != 0)
        return -1;
    if (scope == IPFILTER_BOTH) {
        json_decref(rules);
        return err_set(e, ERR_INVALID, "ask about one scope, admin or service");
    }
    json_decref(job->result);
    job->result = filter_rules_test(rules, &parsed, scope);
    json_object_set_new(job->result, "banned_until",
        json_time(gate_banned_until(job->engine->gate, &parsed)));
    json_decref(rules);
    return 0;
}

static void
filter_list(struct control_call *call)
{
    static const struct config_task task = { .dataset = "config",
        .work = read_cluster,
        .after = list_after };

    config_run(call, &task, NULL);
}

static void
filter_test(struct control_call *call)
{
    static const struct config_task task = { .dataset = "config",
        .work = read_cluster,
        .after = test_after };

    config_run(call, &task, NULL);
}

static void
filter_add(struct control_call *call)
{
    run_change(call, "position", run_add);
}

static void
filter_remove(struct control_call *call)
{
    run_change(call, "position", run_remove);
}

static void
filter_move(struct control_call *call)
{
    run_change(call, "from", run_move);
}

static const char *const no_arguments[] = { NULL };
static const char *const add_arguments[] = { "action", "address", "position",
    "scope", "comment", "expires", "cluster", "force", "confirm", NULL };
static const char *const remove_arguments[] = { "position", "id", "cluster",
    "force", "confirm", NULL };
static const char *const move_arguments[] = { "from", "to", "cluster", "force",
    "confirm", NULL };
static const char *const test_arguments[] = { "address", "scope", NULL };

/* Whether a change needs the primary depends on whose rules it means, so the
 * handlers refuse that themselves. */
const struct control_command control_filter_commands[] = {
    { "ipfilter list", 0, ROLE_VIEWER, no_arguments, filter_list },
    { "ipfilter test", 0, ROLE_VIEWER, test_arguments, filter_test },
    { "ipfilter add", 0, ROLE_ADMIN, add_arguments, filter_add },
    { "ipfilter remove", 0, ROLE_ADMIN, remove_arguments, filter_remove },
    { "ipfilter move", 0, ROLE_ADMIN, move_arguments, filter_move },
    { NULL, 0, ROLE_NONE, NULL, NULL },
};

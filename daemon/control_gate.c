/*
 * Commands about who is kept out for a while, and the one that keeps a change
 * of the filter.
 */
#include "base/json.h"
#include "daemon/control.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/filter_confirm.h"
#include "daemon/filter_narrow.h"
#include "daemon/gate.h"

static void
filter_bans(struct control_call *call)
{
    control_finish(call, gate_bans(control_engine(call)->gate));
}

static int
unban_which(const json_t *args, struct ip_address *address, bool *all,
    struct err *e)
{
    const char *text = NULL;

    *all = false;
    if (json_member_bool(args, "all", false, all, e) != 0 ||
        json_member_string(args, "address", !*all, &text, e) != 0)
        return -1;
    if (*all && text != NULL)
        return err_set(e, ERR_INVALID, "give either an address or all");
    return *all ? 0 : ip_address_parse(text, address, e);
}

static void
filter_unban(struct control_call *call)
{
    struct engine *engine = control_engine(call);
    struct err e = ERR_INIT;
    struct ip_address address;
    char which[64] = "every address";
    size_t lifted;
    bool all;

    if (unban_which(control_args(call), &address, &all, &e) != 0) {
        control_fail(call, &e);
        return;
    }
    if (!all)
        ip_address_format(&address, which);
    lifted = gate_unban(engine->gate, all ? NULL : &address);
    if (lifted == 0 && !all) {
        err_set(&e, ERR_NOT_FOUND, "%s is not banned", which);
        err_hint(&e, "\"lockstep ipfilter bans\" lists those that are.");
        control_fail(call, &e);
        return;
    }
    if (lifted > 0)
        events_add(engine->events, "info", "unbanned", NULL, NULL,
            "%s unbanned %s", control_who(call), which);
    control_finish(call, json_pack("{s:I}", "lifted", (json_int_t)lifted));
}

static void
filter_keep(struct control_call *call)
{
    struct engine *engine = control_engine(call);
    struct err e = ERR_INIT;

    if (filter_confirm_keep(engine->filter_confirm, &e) != 0) {
        control_fail(call, &e);
        return;
    }
    events_add(engine->events, "info", "changed", NULL, NULL,
        "%s: the change of the filter is confirmed", control_who(call));
    control_finish(call, NULL);
}

/* Without an address: to the primary, or to whoever asks. */
static void
filter_narrow_to(struct control_call *call)
{
    struct engine *engine = control_engine(call);
    const char *address = engine->node.role == NODE_SECONDARY
                              ? engine->node.primary_address
                              : control_address(call);
    struct err e = ERR_INIT;

    if (json_member_string(control_args(call), "address", false, &address,
            &e) != 0 ||
        filter_narrow(engine, address, control_address(call), &e) != 0) {
        control_fail(call, &e);
        return;
    }
    events_add(engine->events, "info", "changed", NULL, NULL,
        "%s narrowed the filter to %s", control_who(call), address);
    control_finish(call, json_pack("{s:s}", "address", address));
}

static const char *const no_arguments[] = { NULL };
static const char *const narrow_arguments[] = { "address", NULL };
static const char *const unban_arguments[] = { "address", "all", NULL };

const struct control_command control_gate_commands[] = {
    { "ipfilter confirm", 0, ROLE_ADMIN, no_arguments, filter_keep },
    { "ipfilter bans", 0, ROLE_VIEWER, no_arguments, filter_bans },
    { "ipfilter narrow", 0, ROLE_ADMIN, narrow_arguments, filter_narrow_to },
    { "ipfilter unban", 0, ROLE_ADMIN, unban_arguments, filter_unban },
    { NULL, 0, ROLE_NONE, NULL, NULL },
};

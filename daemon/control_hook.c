/*
 * The commands "hook list", "hook run" and, for primaries, "hook wait".
 */
#include "base/json.h"
#include "daemon/control.h"
#include "daemon/engine.h"
#include "daemon/hooks.h"

#define WAIT_MOST_S 60

static void
run_list(struct control_call *call)
{
    control_finish(call, hooks_json(control_engine(call)->hooks));
}

static void
run_run(struct control_call *call)
{
    struct hooks *hooks = control_engine(call)->hooks;

    hooks_run_all(hooks);
    hooks_wait(hooks, call, WAIT_MOST_S * 1000);
}

static void
run_wait(struct control_call *call)
{
    const json_t *args = control_args(call);
    struct err e = ERR_INIT;
    int64_t seconds = WAIT_MOST_S;

    if (json_member_int(args, "timeout_s", false, &seconds, &e) != 0)
        goto fail;
    if (seconds < 0 || seconds > WAIT_MOST_S) {
        err_set(&e, ERR_INVALID, "\"timeout_s\" is 0 to %d", WAIT_MOST_S);
        goto fail;
    }
    hooks_wait(control_engine(call)->hooks, call, seconds * 1000);
    return;
fail:
    control_fail(call, &e);
}

static const char *const no_arguments[] = { NULL };
static const char *const wait_arguments[] = { "timeout_s", NULL };

const struct control_command control_hook_commands[] = {
    { "hook list", 0, ROLE_VIEWER, no_arguments, run_list },
    { "hook run", 0, ROLE_ADMIN, no_arguments, run_run },
    { "hook wait", CONTROL_ANY_ROLE, ROLE_VIEWER, wait_arguments, run_wait },
    { NULL, 0, ROLE_NONE, NULL, NULL },
};

/*
 * Requests on /control from any bytes.  The first byte picks who asks and what
 * the node is.  The commands are this file's own, so that none has an effect;
 * they check that nobody reaches one who may not, and read arguments as the
 * real ones do.  Every request is answered by whole lines, the last one once.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "daemon/control.h"
#include "daemon/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct engine engine;

const char *
node_role_name(enum node_role role)
{
    static const char *const names[] = { "standalone", "primary", "secondary" };

    return names[role];
}

static void
read_arguments(struct control_call *call)
{
    const json_t *args = control_args(call);
    const char *text = NULL;
    struct err e = ERR_INIT;
    int64_t number = 0;
    bool flag = false;

    assert(json_is_object(args) && json_object_size(args) <= 3);
    if (json_member_string(args, "name", true, &text, &e) != 0 ||
        json_member_int(args, "count", false, &number, &e) != 0 ||
        json_member_bool(args, "force", false, &flag, &e) != 0) {
        assert(e.code == ERR_INVALID);
        control_fail(call, &e);
        return;
    }
    assert(text != NULL);
    control_progress(call, json_pack("{s:I}", "count", (json_int_t)number));
    control_finish(call, json_pack("{s:s, s:b}", "name", text, "force", flag));
}

static void
run_any(struct control_call *call)
{
    assert(control_role(call) != ROLE_NONE);
    read_arguments(call);
}

static void
run_viewer(struct control_call *call)
{
    assert(
        control_role(call) == ROLE_ADMIN || control_role(call) == ROLE_VIEWER);
    read_arguments(call);
}

static void
run_change(struct control_call *call)
{
    assert(control_role(call) == ROLE_ADMIN);
    assert(engine.node.role != NODE_SECONDARY);
    read_arguments(call);
}

static void
run_primary(struct control_call *call)
{
    assert(control_role(call) == ROLE_ADMIN);
    assert(engine.node.role == NODE_PRIMARY);
    read_arguments(call);
}

static const char *const arguments[] = { "name", "count", "force", NULL };

static const struct control_command any_role[] = {
    { "any", CONTROL_ANY_ROLE, ROLE_ADMIN, arguments, run_any },
    { "view", 0, ROLE_VIEWER, arguments, run_viewer },
    { 0 },
};
static const struct control_command some_roles[] = {
    { "change", CONTROL_CHANGES, ROLE_ADMIN, arguments, run_change },
    { "primary", CONTROL_PRIMARY, ROLE_ADMIN, arguments, run_primary },
    { 0 },
};
const struct control_command *const control_families[] = { any_role, some_roles,
    NULL };

static void
take_line(void *ctx, const char *line, size_t len, bool last)
{
    unsigned *answers = ctx;
    struct err e = ERR_INIT;
    json_t *object = NULL;

    assert(*answers == 0);
    assert(len > 1 && memchr(line, '\n', len) == line + len - 1);
    assert(json_read_object(line, len - 1, &object, &e) == 0);
    assert(json_object_size(object) == 1);
    assert(last == (json_object_get(object, "progress") == NULL));
    json_decref(object);
    *answers += last;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum role roles[] = { ROLE_NONE, ROLE_VIEWER, ROLE_PUSH,
        ROLE_ADMIN };
    static const enum node_role kinds[] = { NODE_STANDALONE, NODE_PRIMARY,
        NODE_SECONDARY };
    unsigned answers = 0;

    if (size == 0)
        return 0;
    engine.node.role = kinds[(data[0] >> 2) % 3];
    strcpy(engine.node.primary_name, "first");
    assert(control_run(&engine, roles[data[0] & 3], "somebody",
               (const char *)data + 1, size - 1, take_line, &answers) == NULL);
    assert(answers == 1);
    return 0;
}

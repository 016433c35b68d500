/*
 * Commands: reading a request, finding its command, the checks that no command
 * may be reached without, and the lines of the answer.
 */
#include "daemon/control.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "daemon/engine.h"
#include "daemon/events.h"

struct control_call {
    struct engine *engine;
    enum role role;
    char *who;
    json_t *request;
    const json_t *args; /* within request, or EMPTY */
    json_t *empty;
    void (*sink)(void *ctx, const char *line, size_t len, bool last);
    void *ctx;
    const struct control_command *command;
    bool *finished; /* while run() is on the stack */
    bool (*has_room)(void *ctx);
    void (*ready)(void *arg); /* waits for room */
    void *ready_arg;
};

static const struct control_command *
find_command(const char *name)
{
    const struct control_command *command;
    size_t i;

    for (i = 0; control_families[i] != NULL; i++) {
        for (command = control_families[i]; command->name != NULL; command++) {
            if (strcmp(command->name, name) == 0)
                return command;
        }
    }
    return NULL;
}

/* Overwrites every text: any of them may be a password. */
static void
wipe_texts(json_t *value)
{
    const char *key;
    json_t *member;
    size_t i;

    if (json_is_string(value)) {
        explicit_bzero((char *)(uintptr_t)json_string_value(value),
            json_string_length(value));
    } else if (json_is_object(value)) {
        json_object_foreach (value, key, member)
            wipe_texts(member);
    } else if (json_is_array(value)) {
        json_array_foreach (value, i, member)
            wipe_texts(member);
    }
}

static void
free_call(struct control_call *call)
{
    if (call->finished != NULL)
        *call->finished = true;
    if (call->request != NULL)
        wipe_texts(call->request);
    json_decref(call->request);
    json_decref(call->empty);
    free(call->who);
    free(call);
}

static void
send_line(struct control_call *call, const char *name, json_t *content,
    bool last)
{
    json_t *line = json_object();
    char *text;
    size_t len;

    json_object_set_new(line, name, content);
    text = json_write(line);
    json_decref(line);
    len = strlen(text);
    text = alloc_resize(text, len + 2, 1);
    memcpy(text + len, "\n", 2);
    if (call->sink != NULL)
        call->sink(call->ctx, text, len + 1, last);
    free(text);
}

void
control_lines(struct control_call *call, const char *text, size_t len)
{
    if (call->sink != NULL)
        call->sink(call->ctx, text, len, false);
}

bool
control_has_room(struct control_call *call, void (*ready)(void *arg), void *arg)
{
    if (call->sink == NULL || call->has_room == NULL ||
        call->has_room(call->ctx))
        return true;
    call->ready = ready;
    call->ready_arg = arg;
    return false;
}

void
control_call_limit(struct control_call *call, bool (*has_room)(void *ctx))
{
    call->has_room = has_room;
}

void
control_call_ready(struct control_call *call)
{
    void (*ready)(void *arg) = call->ready;

    call->ready = NULL;
    if (ready != NULL)
        ready(call->ready_arg);
}

/* Every command that only administrators, or a primary, may run leaves who ran
 * it, from where, on what, and with what result.  What else was given may be
 * secret. */
static void
leave_record(const struct control_call *call, const struct err *e)
{
    static const char *const subjects[] = { "name", "host", "address", "server",
        "user", "group" };
    const struct control_command *command = call->command;
    const char *subject = "";
    bool ok = e == NULL;

    if (command == NULL || command->least == ROLE_VIEWER ||
        (command->flags & CONTROL_ANY_ROLE) != 0 ||
        call->engine->events == NULL)
        return;
    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
        const char *text =
            json_string_value(json_object_get(call->args, subjects[i]));

        if (text != NULL && subject[0] == '\0')
            subject = text;
    }
    events_add_deed(call->engine->events, ok ? "info" : "warning", "command",
        call->who != NULL ? call->who : "", ok ? "ok" : err_code_name(e->code),
        "%s ran \"%s%s%s\": %s", call->who != NULL ? call->who : "",
        command->name, subject[0] != '\0' ? " " : "", subject,
        ok ? "ok" : e->message);
}

void
control_progress(struct control_call *call, json_t *line)
{
    send_line(call, "progress", line, false);
}

void
control_finish(struct control_call *call, json_t *result)
{
    leave_record(call, NULL);
    send_line(call, "result", result != NULL ? result : json_object(), true);
    free_call(call);
}

void
control_fail(struct control_call *call, const struct err *e)
{
    leave_record(call, e);
    send_line(call, "error", json_error(e), true);
    free_call(call);
}

static bool
role_allows(enum role role, const struct control_command *command)
{
    if (role == ROLE_JOIN)
        return (command->flags & CONTROL_JOINS) != 0;
    return role == ROLE_ADMIN || role == command->least ||
           ((command->flags & CONTROL_ANY_ROLE) != 0 && role != ROLE_NONE);
}

static int
refuse_on_secondary(const struct node *node, const struct control_command *c,
    struct err *e)
{
    err_set(e, ERR_NOT_PRIMARY,
        "\"%s\" is a matter of the primary; this node is a secondary of \"%s\"",
        c->name, node->primary_name);
    err_hint(e, "Run it on \"%s\"%s%s.", node->primary_name,
        node->primary_address[0] != '\0' ? ", last seen at " : "",
        node->primary_address);
    return -1;
}

static int
check_node_role(const struct node *node, const struct control_command *c,
    struct err *e)
{
    bool changes = (c->flags & CONTROL_CHANGES) != 0;
    bool primary = (c->flags & CONTROL_PRIMARY) != 0;

    if ((changes || primary) && node->role == NODE_SECONDARY)
        return refuse_on_secondary(node, c, e);
    if (primary && !changes && node->role != NODE_PRIMARY) {
        err_set(e, ERR_ROLE, "\"%s\" needs a primary; this node is %s", c->name,
            node_role_name(node->role));
        err_hint(e, "A node becomes a primary by its first \"lockstep server "
                    "add\".");
        return -1;
    }
    return 0;
}

static int
read_request(struct control_call *call, const char *text, size_t len,
    struct err *e)
{
    static const char *const members[] = { "command", "args", NULL };
    const char *name = NULL;
    const json_t *args;

    if (json_read_object(text, len, &call->request, e) != 0)
        return -1;
    if (json_only_members(call->request, members, e) != 0 ||
        json_member_string(call->request, "command", true, &name, e) != 0)
        return -1;
    args = json_member(call->request, "args");
    if (args != NULL && !json_is_null(args)) {
        if (!json_is_object(args))
            return err_set(e, ERR_INVALID, "\"args\" must be an object");
        call->args = args;
    }
    call->command = find_command(name);
    if (call->command == NULL) {
        err_set(e, ERR_NOT_FOUND, "unknown command \"%s\"", name);
        err_hint(e, "docs/control.md lists the commands of this version.");
        return -1;
    }
    return 0;
}

static int
check(struct control_call *call, struct err *e)
{
    const struct control_command *command = call->command;

    if (!role_allows(call->role, command)) {
        err_set(e, ERR_PERMISSION, "the role %s does not allow \"%s\"",
            role_name(call->role), command->name);
        return -1;
    }
    if (check_node_role(&call->engine->node, command, e) != 0)
        return -1;
    if (json_only_members(call->args, command->arguments, e) != 0)
        return err_wrap(e, "%s", command->name);
    return 0;
}

struct control_call *
control_run(struct engine *engine, enum role role, const char *who,
    const char *request, size_t len,
    void (*sink)(void *ctx, const char *line, size_t len, bool last), void *ctx)
{
    struct control_call *call = alloc_zeroed(1, sizeof(*call));
    struct err e = ERR_INIT;
    bool finished = false;

    call->engine = engine;
    call->role = role;
    call->who = alloc_string(who);
    call->empty = json_object();
    call->args = call->empty;
    call->sink = sink;
    call->ctx = ctx;
    if (read_request(call, request, len, &e) != 0 || check(call, &e) != 0) {
        control_fail(call, &e);
        return NULL;
    }
    call->finished = &finished;
    call->command->run(call);
    if (finished)
        return NULL;
    call->finished = NULL;
    return call;
}

void
control_call_detach(struct control_call *call)
{
    call->sink = NULL;
}

struct engine *
control_engine(const struct control_call *call)
{
    return call->engine;
}

const json_t *
control_args(const struct control_call *call)
{
    return call->args;
}

enum role
control_role(const struct control_call *call)
{
    return call->role;
}

const char *
control_who(const struct control_call *call)
{
    return call->who;
}

/* "who" is "NAME from ADDRESS". */
const char *
control_address(const struct control_call *call)
{
    static const char from[] = " from ";
    const char *address = "";
    const char *p = call->who;

    while ((p = strstr(p, from)) != NULL) {
        p += strlen(from);
        address = p;
    }
    return address;
}

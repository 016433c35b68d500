/*
 * Whether what a server holds is in effect there: it says so in its facts, and
 * with each OK that it is not.  Then it is asked, and answers when its hooks
 * have ended.
 */
#include <string.h>

#include "admin-proto/push_frame.h"
#include "base/json.h"
#include "base/log.h"
#include "daemon/events.h"
#include "daemon/fleet_facts.h"
#include "daemon/fleet_internal.h"
#include "daemon/link_control.h"

/* Shorter than what counts as no answer; asked again while hooks are busy. */
#define WAIT_S 10

static void ask(struct server *server);

static void
in_effect(struct server *server)
{
    struct server_effect *effect = &server->effect;

    effect->in_effect = true;
    err_clear(&effect->error);
}

static void
take_error(struct server *server, const json_t *error)
{
    struct server_effect *effect = &server->effect;

    if (!json_is_object(error)) {
        err_clear(&effect->error);
        return;
    }
    json_error_read(error, &effect->error);
}

static void
answered(void *ctx, const json_t *result, const struct err *e)
{
    struct server *server = ctx;
    struct server_effect *effect = &server->effect;
    struct err error = *e;
    bool yes = false, busy = false;

    effect->asking = NULL;
    if (e->code != ERR_NONE ||
        json_member_bool(result, "in_effect", true, &yes, &error) != 0 ||
        json_member_bool(result, "busy", true, &busy, &error) != 0) {
        log_warning("\"%s\" does not say what is in effect: %s",
            server->record.name, error.message);
        return;
    }
    if (yes) {
        in_effect(server);
        return;
    }
    effect->in_effect = false;
    take_error(server, json_member(result, "effect_error"));
    if (busy)
        ask(server);
}

static void
ask(struct server *server)
{
    struct server_effect *effect = &server->effect;
    json_t *args;

    if (!server->ready || effect->asking != NULL || server->removal != NULL)
        return;
    args = json_pack("{s:i}", "timeout_s", WAIT_S);
    effect->asking =
        link_control_run(server->link, "hook wait", args, answered, server);
    json_decref(args);
}

void
server_effect_facts(struct server *server, const struct fleet_facts *facts)
{
    struct server_effect *effect = &server->effect;

    if (!facts->tells_effect)
        return;
    if (!effect->known)
        in_effect(server);
    effect->known = true;
    if (facts->in_effect)
        return;
    effect->in_effect = false;
    ask(server);
}

void
server_effect_heard(struct server *server, const struct link_reply *reply)
{
    static const char notice[] = " " PUSH_NOTICE_EFFECT;
    struct server_effect *effect = &server->effect;

    if (!effect->known || reply->type != SFTP_STATUS ||
        reply->status != SFTP_OK || reply->text_len >= PUSH_NOTICE_MAX)
        return;
    if (memmem(reply->text, reply->text_len, notice, strlen(notice)) == NULL) {
        in_effect(server);
        return;
    }
    effect->in_effect = false;
    ask(server);
}

void
server_effect_link_down(struct server *server)
{
    link_control_cancel(server->effect.asking);
    memset(&server->effect, 0, sizeof(server->effect));
}

json_t *
server_effect_json(const struct server *server)
{
    const struct server_effect *effect = &server->effect;

    if (!effect->known || server_state(server) == PEER_UNREACHABLE)
        return json_null();
    return json_boolean(effect->in_effect && server_equal(server));
}

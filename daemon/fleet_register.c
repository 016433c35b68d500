/*
 * Registration: "server probe", "server facts", "server add", "server trust".
 * Each uses a pusher of its own, because it carries a password or talks to a
 * host that nobody has vouched for yet.
 */
#include <stdlib.h>
#include <string.h>

#include "admin-proto/ssh_client.h"
#include "base/alloc.h"
#include "base/hash.h"
#include "base/json.h"
#include "daemon/events.h"
#include "daemon/fleet_registration.h"

#define REGISTER_TIMEOUT_MS 20000

static void
registration_free(uv_handle_t *handle)
{
    struct registration *r = handle->data;

    outbound_free(r->out);
    if (r->password != NULL)
        explicit_bzero(r->password, strlen(r->password));
    free(r->host);
    free(r->user);
    free(r->password);
    free(r->fingerprint);
    free(r->name);
    free(r->cluster_name);
    free(r->ticket);
    free(r->join_proof);
    free(r->host_key);
    json_decref(r->facts);
    fleet_release(r->fleet);
    free(r);
}

/* Ends the link now and frees when its callbacks have returned. */
void
registration_end(struct registration *r)
{
    struct registration **at = &r->fleet->registrations;

    while (*at != NULL && *at != r)
        at = &(*at)->next;
    if (*at == r)
        *at = r->next;
    link_close(r->link);
    r->link = NULL;
    link_control_cancel(r->exchange);
    r->exchange = NULL;
    uv_close((uv_handle_t *)&r->closing, registration_free);
}

void
registration_fail(struct registration *r, const struct err *e)
{
    control_fail(r->call, e);
    registration_end(r);
}

void
registration_finish(struct registration *r, json_t *result)
{
    control_finish(r->call, result);
    registration_end(r);
}

void
fleet_registrations_close(struct fleet *fleet)
{
    struct err e = ERR_INIT;

    err_set(&e, ERR_CANCELLED, "the node is stopping");
    while (fleet->registrations != NULL)
        registration_fail(fleet->registrations, &e);
}

void
registration_step(struct registration *r, const char *step, const char *text)
{
    control_progress(r->call, json_pack("{s:s, s:s, s:i, s:i}", "step", step,
                                  "text", text, "done", 0, "total", 0));
}

/* The host key. */

static void
registration_trust(struct registration *r)
{
    struct server *server = fleet_find(r->fleet, r->name);
    struct err e = ERR_INIT;

    if (server == NULL) {
        err_set(&e, ERR_NOT_FOUND, "there is no server \"%s\"", r->name);
        registration_fail(r, &e);
        return;
    }
    free(server->record.host_key);
    server->record.host_key = alloc_copy(r->host_key, r->host_key_len);
    server->record.host_key_len = r->host_key_len;
    server->key_changed = false;
    server_save(server, true);
    server_keys_trust(server);
    server_disconnect(server);
    events_add(r->fleet->engine->events, "warning", "key-trusted", r->name,
        NULL, "the host key %s was accepted by %s", r->shown,
        control_who(r->call));
    fleet_begin_round(r->fleet, server);
    registration_finish(r, server_json(server));
}

static int
check_shown(const struct registration *r, struct err *e)
{
    if (r->fingerprint == NULL && r->trust_first)
        return 0;
    if (r->fingerprint != NULL && strcmp(r->fingerprint, r->shown) == 0)
        return 0;
    err_set(e, ERR_KEY_CHANGED, "\"%s\" shows the host key %s%s%s", r->host,
        r->shown, r->fingerprint != NULL ? ", not " : "",
        r->fingerprint != NULL ? r->fingerprint : "");
    err_hint(e,
        "Compare it with the fingerprint that \"lockstep status\" shows "
        "on that node; nothing was sent.");
    return -1;
}

static void
registration_host_key(void *ctx, const void *blob, size_t len)
{
    struct registration *r = ctx;
    const char *address = link_peer_address(r->link);
    struct err e = ERR_INIT;

    free(r->host_key);
    r->host_key = alloc_copy(blob, len);
    r->host_key_len = len;
    admin_fingerprint(blob, len, r->shown);
    if (r->aim == AIM_PROBE) {
        registration_finish(r,
            json_pack("{s:s, s:s}", "fingerprint", r->shown, "address",
                address == NULL ? r->host : address));
    } else if (check_shown(r, &e) != 0) {
        registration_fail(r, &e);
    } else if (r->aim == AIM_TRUST && !r->again) {
        registration_trust(r);
    } else {
        registration_step(r, "login", r->user);
        link_proceed(r->link);
    }
}

static void
registration_closed(void *ctx, const struct err *e)
{
    struct registration *r = ctx;

    r->link = NULL;
    registration_fail(r, e);
}

static void
registration_start(struct registration *r)
{
    static const struct link_callbacks callbacks = {
        .host_key = registration_host_key,
        .ready = registration_ready,
        .closed = registration_closed,
    };
    bool login = r->aim == AIM_FACTS || r->aim == AIM_ADD || r->again;
    const struct link_params params = {
        .host = r->host,
        .port = r->port,
        .source_address = r->fleet->engine->settings.source_address,
        .mode = login ? LINK_PASSWORD : LINK_PROBE,
        .user = login ? r->user : "",
        .password = login ? r->password : "",
        .timeout_ms = REGISTER_TIMEOUT_MS,
    };
    struct err e = ERR_INIT;

    uv_timer_init(r->fleet->engine->loop, &r->closing);
    r->closing.data = r;
    r->next = r->fleet->registrations;
    r->fleet->registrations = r;
    if (outbound_new(&r->out, r->fleet->engine->loop, &e) != 0) {
        registration_fail(r, &e);
        return;
    }
    outbound_watch(r->out, fleet_process_crashed, r->fleet->engine->events);
    registration_step(r, "connect", r->host);
    link_open(r->out, &params, &callbacks, r, &r->link);
}

static int
check_not_adding(const struct fleet *fleet, const struct registration *r,
    struct err *e)
{
    for (const struct registration *other = fleet->registrations; other != NULL;
         other = other->next) {
        if (other->aim == AIM_ADD && other->port == r->port &&
            strcmp(other->host, r->host) == 0)
            return err_set(e, ERR_BUSY,
                "\"%s\" is being added by somebody else", r->host);
    }
    for (size_t i = 0; i < fleet->server_count; i++) {
        const struct server_record *record = &fleet->servers[i]->record;

        if (record->port == r->port && strcmp(record->host, r->host) == 0)
            return registration_refuse_listed(r, record->name, e);
    }
    return r->name == NULL ? 0 : registration_check_name(r, r->name, e);
}

static int
registration_read(struct registration *r, const json_t *args, struct err *e)
{
    const char *host = NULL;
    const char *user = "admin";
    const char *password = NULL;
    const char *fingerprint = NULL;
    const char *name = NULL;
    const char *cluster_name = NULL;
    const char *ticket = NULL;
    const char *join_proof = NULL;
    int64_t port = ADMIN_PORT;
    bool login = r->aim == AIM_FACTS || r->aim == AIM_ADD;

    if (json_member_string(args, "host", true, &host, e) != 0 ||
        json_member_int(args, "port", false, &port, e) != 0 ||
        json_member_string(args, "user", false, &user, e) != 0 ||
        json_member_string(args, "password", login, &password, e) != 0 ||
        json_member_string(args, "fingerprint", false, &fingerprint, e) != 0 ||
        json_member_bool(args, "trust_on_first_use", false, &r->trust_first,
            e) != 0 ||
        json_member_bool(args, "narrow", false, &r->narrow, e) != 0 ||
        json_member_string(args, "name", false, &name, e) != 0 ||
        json_member_string(args, "cluster_name", false, &cluster_name, e) !=
            0 ||
        json_member_string(args, "join_proof", false, &join_proof, e) != 0 ||
        json_member_string(args, "ticket", false, &ticket, e) != 0)
        return -1;
    if (port < 1 || port > 65535)
        return err_set(e, ERR_INVALID, "there is no port %lld",
            (long long)port);
    r->host = alloc_string(host);
    r->port = (uint16_t)port;
    r->user = alloc_string(user);
    r->password = alloc_string(password);
    r->fingerprint = alloc_string(fingerprint);
    r->name = alloc_string(name);
    r->cluster_name = alloc_string(cluster_name);
    r->ticket = alloc_string(ticket);
    r->join_proof = alloc_string(join_proof);
    if (registration_check_ticket(r, e) != 0)
        return -1;
    return r->aim == AIM_ADD ? check_not_adding(r->fleet, r, e) : 0;
}

static void
registration_discard(struct registration *r, const struct err *e)
{
    control_fail(r->call, e);
    uv_timer_init(r->fleet->engine->loop, &r->closing);
    r->closing.data = r;
    uv_close((uv_handle_t *)&r->closing, registration_free);
}

static struct registration *
registration_new(struct control_call *call, enum aim aim)
{
    struct registration *r = alloc_zeroed(1, sizeof(*r));

    r->fleet = control_engine(call)->fleet;
    fleet_hold(r->fleet);
    r->call = call;
    r->aim = aim;
    return r;
}

static void
command_register(struct control_call *call, enum aim aim)
{
    struct registration *r = registration_new(call, aim);
    struct err e = ERR_INIT;

    if (registration_read(r, control_args(call), &e) != 0)
        registration_discard(r, &e);
    else
        registration_start(r);
}

void
command_server_probe(struct control_call *call)
{
    command_register(call, AIM_PROBE);
}

void
command_server_facts(struct control_call *call)
{
    command_register(call, AIM_FACTS);
}

void
command_server_add(struct control_call *call)
{
    command_register(call, AIM_ADD);
}

/* What a server that was installed anew is logged in to with. */
static int
read_again(struct registration *r, const json_t *args, struct err *e)
{
    const char *user = "admin", *password = NULL, *ticket = NULL;

    if (json_member_string(args, "user", false, &user, e) != 0 ||
        json_member_string(args, "password", false, &password, e) != 0 ||
        json_member_string(args, "ticket", false, &ticket, e) != 0 ||
        json_member_bool(args, "narrow", false, &r->narrow, e) != 0 ||
        json_member_bool(args, "dry_run", false, &r->dry_run, e) != 0)
        return -1;
    r->again = password != NULL;
    if (r->dry_run && !r->again)
        return err_set(e, ERR_INVALID, "\"dry_run\" needs a password");
    r->user = alloc_string(user);
    r->password = alloc_string(password);
    r->ticket = alloc_string(ticket);
    return registration_check_ticket(r, e);
}

void
command_server_trust(struct control_call *call)
{
    const struct server *server = command_server(call);
    const char *fingerprint = NULL;
    struct registration *r;
    struct err e = ERR_INIT;

    if (server == NULL)
        return;
    if (json_member_string(control_args(call), "fingerprint", true,
            &fingerprint, &e) != 0) {
        control_fail(call, &e);
        return;
    }
    r = registration_new(call, AIM_TRUST);
    r->host = alloc_string(server->record.host);
    r->port = server->record.port;
    r->name = alloc_string(server->record.name);
    r->fingerprint = alloc_string(fingerprint);
    if (read_again(r, control_args(call), &e) != 0)
        registration_discard(r, &e);
    else
        registration_start(r);
}

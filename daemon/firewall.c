/*
 * "firewall matrix": who connects to whom in this cluster, on which port and
 * why, from the live list of servers and the addresses that they really saw.
 * Nothing is applied here; the command line makes rules of it.
 */
#include <stdlib.h>

#include "admin-proto/ssh_client.h"
#include "base/clock.h"
#include "base/json.h"
#include "daemon/control.h"
#include "daemon/engine.h"
#include "daemon/filter.h"
#include "daemon/fleet.h"
#include "daemon/listener.h"
#include "ipfilter/ruleset.h"

/* An address in numbers, or null: what a server says of us is not repeated
 * into rules unless it is one. */
static json_t *
address_json(const json_t *text)
{
    const char *given = json_string_value(text);
    struct err ignored = ERR_INIT;
    struct ip_address a;
    char shown[64];

    if (given == NULL || ip_address_parse(given, &a, &ignored) != 0)
        return json_null();
    ip_address_format(&a, shown);
    return json_string(shown);
}

static void
add_pushes(const struct engine *engine, json_t *flows)
{
    json_t *list = fleet_json(engine->fleet);
    const json_t *servers = json_object_get(list, "servers");

    /* The first is this node itself. */
    for (size_t i = 1; i < json_array_size(servers); i++) {
        const json_t *server = json_array_get(servers, i);

        json_array_append_new(flows,
            json_pack("{s:o, s:s, s:o, s:O, s:O, s:O, s:s, s:s}", "from",
                address_json(json_object_get(server, "seen_from")), "from_name",
                engine->node.name, "to",
                address_json(json_object_get(server, "connected_to")),
                "to_name", json_object_get(server, "name"), "to_host",
                json_object_get(server, "address"), "port",
                json_object_get(server, "port"), "protocol", "tcp", "why",
                "push"));
    }
    json_decref(list);
}

struct inbound_flows {
    const struct engine *engine;
    json_t *flows;
    int port;
};

static void
add_inbound(struct inbound_flows *in, const struct ip_range *range,
    const char *name, const char *why)
{
    const char *own = in->engine->settings.source_address;
    char from[128];

    ip_range_format(range, from);
    json_array_append_new(in->flows,
        json_pack("{s:s, s:s, s:o, s:s, s:n, s:i, s:s, s:s}", "from", from,
            "from_name", name, "to",
            own[0] != '\0' ? json_string(own) : json_null(), "to_name",
            in->engine->node.name, "to_host", "port", in->port, "protocol",
            "tcp", "why", why));
}

static void
add_administration(void *ctx, const struct ip_range *range)
{
    add_inbound(ctx, range, "administrators", "administration");
}

static int
own_port(const struct engine *engine)
{
    struct err ignored = ERR_INIT;
    char *host = NULL;
    uint16_t port = 0;

    admin_address_parse(listener_address(engine->listener), &host, &port,
        &ignored);
    free(host);
    return port;
}

static void
run_matrix(struct control_call *call)
{
    const struct engine *engine = control_engine(call);
    const struct address_list *monitors = &engine->settings.monitors;
    struct inbound_flows in = { engine, json_array(), own_port(engine) };

    add_pushes(engine, in.flows);
    filter_each_allowed(engine->filter, add_administration, &in);
    for (size_t i = 0; i < monitors->count; i++)
        add_inbound(&in, &monitors->ranges[i], "monitors", "health");
    control_finish(call,
        json_pack("{s:o, s:s, s:s, s:o}", "generated",
            json_time(clock_utc_ms()), "cluster", engine->node.cluster_name,
            "primary", engine->node.name, "flows", in.flows));
}

static const char *const no_arguments[] = { NULL };

const struct control_command control_firewall_commands[] = {
    { "firewall matrix", CONTROL_PRIMARY, ROLE_VIEWER, no_arguments,
        run_matrix },
    { NULL, 0, ROLE_NONE, NULL, NULL },
};

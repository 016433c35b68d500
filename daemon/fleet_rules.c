/*
 * Which servers do not apply a rule of the cluster, because it would shut out
 * this primary: their engines decide so (filter.c), by the same rules and the
 * address that they told us they see.
 */
#include <string.h>

#include "daemon/events.h"
#include "daemon/filter.h"
#include "daemon/fleet_internal.h"
#include "ipfilter/ruleset.h"

void
server_check_rules(struct server *server)
{
    const struct engine *engine = server->fleet->engine;
    char reason[FILTER_REASON_SIZE] = "";
    struct err ignored = ERR_INIT;
    struct ip_address ours;

    if (ip_address_parse(server->record.seen_address, &ours, &ignored) == 0 &&
        !filter_cluster_denies(engine->filter, &ours, reason))
        reason[0] = '\0';
    if (strcmp(reason, server->rule_refused) == 0)
        return;
    memcpy(server->rule_refused, reason, sizeof(reason));
    if (reason[0] != '\0')
        events_add(engine->events, "warning", "rule-refused",
            server->record.name, NULL,
            "%s would shut this primary out, which comes from %s: not applied "
            "to it there",
            reason, server->record.seen_address);
}

void
fleet_check_rules(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->server_count; i++)
        server_check_rules(fleet->servers[i]);
}

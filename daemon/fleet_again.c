/*
 * A listed server that was installed anew: it has other keys, another id, and
 * knows nothing of its primary.  It is registered as a new one is, and its
 * entry goes on: name, interval, counters, and the events that were collected.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "daemon/fleet_events.h"
#include "daemon/fleet_registration.h"

static struct server *
find(const struct registration *r, struct err *e)
{
    struct server *server = fleet_find(r->fleet, r->name);

    if (server == NULL) {
        err_set(e, ERR_NOT_FOUND, "\"%s\" was removed meanwhile", r->name);
        err_hint(e, "\"lockstep node detach\" there makes it a node that can "
                    "be added.");
    }
    return server;
}

static void
take_identity(struct server *server, const struct server_record *now)
{
    uint8_t before[ID_SIZE];

    memcpy(before, server->record.node_id, ID_SIZE);
    free(server->record.host_key);
    server->record = *now;
    server_events_moved(server, before);
}

/* First, since the administrator has accepted the key: if we die between this
 * and the enrolment's end, that server and its primary still find each other.
 */
int
registration_pin_again(struct registration *r, struct err *e)
{
    struct server *server = find(r, e);
    struct server_record now;
    const char *name, *version;

    if (server == NULL)
        return -1;
    now = server->record;
    if (registration_facts_node(r->facts, now.node_id, &name, &version, e) != 0)
        return -1;
    snprintf(now.version, sizeof(now.version), "%s", version);
    now.host_key = alloc_copy(r->host_key, r->host_key_len);
    now.host_key_len = r->host_key_len;
    now.bytes_sent = server_bytes_sent(server);
    if (store_server_save(r->fleet->engine->node.store, &now, e) != 0) {
        server_record_release(&now);
        return -1;
    }
    server_disconnect(server);
    now.bytes_sent = server->record.bytes_sent;
    take_identity(server, &now);
    server_keys_trust(server);
    return 0;
}

int
registration_enrolled_again(struct registration *r, struct server **server,
    struct err *e)
{
    *server = find(r, e);
    if (*server == NULL)
        return -1;
    /* It may have tried with what the other no longer knew. */
    server_disconnect(*server);
    (*server)->key_changed = false;
    (*server)->refused = false;
    server_keys_enrolled(*server);
    return 0;
}

/*
 * "server cancel": ends a registration, also one that has not arrived yet,
 * since it comes over another connection than the word that cancels it.  So a
 * caller gives what it may want to cancel a ticket, a text of its own choice.
 */
#include <stdlib.h>
#include <string.h>

#include "admin-proto/ssh_client.h"
#include "base/alloc.h"
#include "base/json.h"
#include "daemon/fleet_registration.h"

#define TICKET_MAX 64
/* The newest that met nothing to cancel. */
#define TICKETS_KEPT 16

struct ticket_list {
    char tickets[TICKETS_KEPT][TICKET_MAX + 1];
    size_t next;
};

static void
set_cancelled(struct err *e)
{
    err_set(e, ERR_CANCELLED, "cancelled, nothing was changed");
}

static void
remember(struct fleet *fleet, const char *ticket)
{
    struct ticket_list *list = fleet->cancelled;

    if (list == NULL)
        list = fleet->cancelled = alloc_zeroed(1, sizeof(*list));
    snprintf(list->tickets[list->next], TICKET_MAX + 1, "%s", ticket);
    list->next = (list->next + 1) % TICKETS_KEPT;
}

static int
check_ticket(const char *ticket, struct err *e)
{
    if (ticket == NULL || (ticket[0] != '\0' && strlen(ticket) <= TICKET_MAX))
        return 0;
    return err_set(e, ERR_INVALID, "a ticket has 1 to %d characters",
        TICKET_MAX);
}

int
registration_check_ticket(const struct registration *r, struct err *e)
{
    const struct ticket_list *list = r->fleet->cancelled;

    if (check_ticket(r->ticket, e) != 0)
        return -1;
    for (size_t i = 0; r->ticket != NULL && list != NULL && i < TICKETS_KEPT;
         i++) {
        if (strcmp(list->tickets[i], r->ticket) == 0) {
            set_cancelled(e);
            return -1;
        }
    }
    return 0;
}

struct cancel {
    const char *host;
    int64_t port;
    const char *ticket; /* NULL: whatever is under way with the host */
};

static bool
is_meant(const struct cancel *c, const struct registration *r)
{
    if (r->enrolling || (r->aim == AIM_TRUST && !r->again))
        return false;
    if (c->ticket != NULL)
        return r->ticket != NULL && strcmp(r->ticket, c->ticket) == 0;
    return r->port == c->port && strcmp(r->host, c->host) == 0;
}

void
command_server_cancel(struct control_call *call)
{
    struct fleet *fleet = control_engine(call)->fleet;
    struct registration *r = fleet->registrations, *next;
    const json_t *args = control_args(call);
    struct cancel c = { .port = ADMIN_PORT };
    int cancelled = 0;
    struct err e = ERR_INIT;

    if (json_member_string(args, "host", true, &c.host, &e) != 0 ||
        json_member_int(args, "port", false, &c.port, &e) != 0 ||
        json_member_string(args, "ticket", false, &c.ticket, &e) != 0 ||
        check_ticket(c.ticket, &e) != 0) {
        control_fail(call, &e);
        return;
    }
    set_cancelled(&e);
    for (; r != NULL; r = next) {
        next = r->next;
        if (!is_meant(&c, r))
            continue;
        registration_fail(r, &e);
        cancelled++;
    }
    if (cancelled == 0 && c.ticket != NULL)
        remember(fleet, c.ticket);
    control_finish(call, json_pack("{s:i}", "cancelled", cancelled));
}

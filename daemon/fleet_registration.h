/*
 * What fleet_register.c (connecting, host key, login), fleet_add.c (facts,
 * enrolment, the first overwrite) and fleet_again.c (a listed server that was
 * installed anew) share.
 */
#ifndef DAEMON_FLEET_REGISTRATION_H
#define DAEMON_FLEET_REGISTRATION_H

#include "daemon/fleet_internal.h"
#include "daemon/link_control.h"

enum aim { AIM_PROBE, AIM_FACTS, AIM_ADD, AIM_TRUST };

struct registration {
    struct registration *next;
    struct fleet *fleet; /* held */
    enum aim aim;
    struct control_call *call; /* NULL once answered */
    struct outbound *out;
    struct link *link;
    struct link_control *exchange;
    uv_timer_t closing;
    char *host;
    uint16_t port;
    char *user;
    char *password;
    char *fingerprint; /* that must be shown; NULL with trust on first use */
    bool trust_first;
    bool again;   /* AIM_TRUST of a server that knows us no more: register it */
    bool dry_run; /* only the facts */
    bool enrolling; /* it may belong to the cluster by now: no way back */
    bool narrow;    /* its filter to the address that it sees us come from */
    char *name;
    char *cluster_name;
    char *join_proof; /* what the node has to answer, or NULL */
    char *ticket;     /* by which it can be cancelled; NULL */
    uint8_t *host_key;
    size_t host_key_len;
    char shown[64]; /* fingerprint shown */
    json_t *facts;
};

/* Each answers the call and ends the registration. */
void registration_fail(struct registration *r, const struct err *e);
void registration_finish(struct registration *r, json_t *result);
/* Ends it after the call was handed on. */
void registration_end(struct registration *r);
void registration_step(struct registration *r, const char *step,
    const char *text);

/* fleet_cancel.c: refuses what was cancelled before it arrived, and a ticket
 * that is none. */
int registration_check_ticket(const struct registration *r, struct err *e);

/* fleet_add.c: what follows a login, and whether a name is free and fit. */
void registration_ready(void *ctx);
/* Of the facts; NAME and VERSION are borrowed. */
int registration_facts_node(const json_t *facts, uint8_t id[ID_SIZE],
    const char **name, const char **version, struct err *e);
int registration_check_name(const struct registration *r, const char *name,
    struct err *e);
/* Always -1: who is to be added is server NAME. */
int registration_refuse_listed(const struct registration *r, const char *name,
    struct err *e);

/* fleet_again.c: pins what the server shows now, before it hears from us; the
 * entry of a server that was enrolled again, with all that is known of it. */
int registration_pin_again(struct registration *r, struct err *e);
int registration_enrolled_again(struct registration *r, struct server **server,
    struct err *e);

#endif

/*
 * The options of /etc/lockstep/proftpd.conf: those about accounts, and where
 * ProFTPD has its things.  See contrib/accounts/policy.h.
 */
#ifndef CONTRIB_PROFTPD_PROFTPD_POLICY_H
#define CONTRIB_PROFTPD_PROFTPD_POLICY_H

#include "contrib/accounts/policy.h"

struct proftpd_policy {
    struct policy accounts;
    char *users;    /* the database that is made; its folder is ours alone */
    char *rules;    /* the include file that is made; "" for none */
    char *proftpd;  /* the program, which checks a configuration */
    char *config;   /* the configuration that it is started with */
    char *pid_file; /* of the running server */
};

/* Every option with its default; policy_load(&p->accounts, ...) and
 * policy_release(&p->accounts) follow. */
void proftpd_policy_init(struct proftpd_policy *p);

#endif

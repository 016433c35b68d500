/*
 * The options of /etc/lockstep/openssh.conf: those about accounts, and where
 * OpenSSH has its things.  See contrib/accounts/policy.h.
 */
#ifndef CONTRIB_OPENSSH_OPENSSH_POLICY_H
#define CONTRIB_OPENSSH_OPENSSH_POLICY_H

#include "contrib/accounts/policy.h"

#define OPENSSH_POLICY_FILE "/etc/lockstep/openssh.conf"

struct openssh_policy {
    struct policy accounts;
    char *extrausers; /* the folder that libnss-extrausers reads */
    char *sshd;       /* the program whose sessions are ended */
    uint32_t filter;  /* whether rules by address are put into effect */
    uint32_t filter_port;
    char *filter_file; /* the script for nft that is made */
    char *nft;         /* the program */
};

/* Every option with its default; policy_load(&p->accounts, ...) and
 * policy_release(&p->accounts) follow. */
void openssh_policy_init(struct openssh_policy *p);

#endif

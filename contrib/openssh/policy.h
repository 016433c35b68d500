/*
 * What an administrator says in /etc/lockstep/openssh.conf about how users of
 * dataset "config" become users of this host: where files are, which ids and
 * homes are allowed.  Every path can be moved below a root folder, for tests.
 *
 *     struct policy p;
 *     policy_init(&p);
 *     if (policy_load(&p, NULL, NULL, &e) != 0) ...
 *     policy_release(&p);
 */
#ifndef CONTRIB_OPENSSH_POLICY_H
#define CONTRIB_OPENSSH_POLICY_H

#include <stdint.h>

#include "base/err.h"

#define POLICY_FILE "/etc/lockstep/openssh.conf"

struct policy {
    char *database;   /* config.db of this node */
    char *extrausers; /* the folder that libnss-extrausers reads */
    char *passwd;     /* this host's own users and groups */
    char *group;
    char *marker_group; /* the group that every user from us is in */
    uint32_t marker_gid;
    uint32_t id_min; /* no uid and no gid below, nor above */
    uint32_t id_max;
    char **home_roots; /* NULL at the end; homes are below one of them */
    char *folder;      /* within a home, the user's own; "" for none */
    char *shell;       /* of everybody */
    char *sshd;        /* the program whose sessions are ended */
    uint32_t end_sessions;
    char *nftables; /* where rules are written to; "" for none */
    uint32_t port;  /* of sshd, for these rules */
    char *nft;      /* the program that loads them; "" for none */
};

/* Every option with its default. */
void policy_init(struct policy *p);
void policy_release(struct policy *p);
/* Takes what FILE says; NULL is POLICY_FILE, which need not exist.  Then puts
 * ROOT, unless it is NULL, before every path but the shell's, which is written,
 * not used.  ERR_INVALID names the line that is wrong. */
int policy_load(struct policy *p, const char *file, const char *root,
    struct err *e);

#endif

/*
 * Homes that sshd takes as ChrootDirectory: every folder on the way owned by
 * root and writable by nobody else, and within the home one folder that is the
 * user's.  What is there already is never changed, and nothing is removed.
 */
#ifndef CONTRIB_ACCOUNTS_HOMES_H
#define CONTRIB_ACCOUNTS_HOMES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "contrib/accounts/account.h"
#include "contrib/accounts/policy.h"

/* One run:
 *
 *     struct homes homes = { .policy = policy };
 *     if (!homes_make(&homes, a)) ...      for each
 *     r = homes_finish(&homes, &e);
 */
struct homes {
    const struct policy *policy;
    bool made; /* any */
    size_t failed;
};

/* Makes what is missing of A's home; nothing is synced yet.  When it cannot be
 * (a link is in the way, a folder of somebody else's), which is told on
 * standard error, A must not log in. */
bool homes_make(struct homes *homes, const struct account *a);
/* Puts the homes that were made on disk. */
int homes_finish(const struct homes *homes, struct err *e);

#endif

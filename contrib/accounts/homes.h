/*
 * Homes that sshd takes as ChrootDirectory: every folder on the way owned by
 * root and writable by nobody else, and within the home one folder that is the
 * user's.  What is there already is never changed, and nothing is removed.
 */
#ifndef CONTRIB_ACCOUNTS_HOMES_H
#define CONTRIB_ACCOUNTS_HOMES_H

#include <stdbool.h>

#include "base/err.h"
#include "contrib/accounts/account.h"
#include "contrib/accounts/policy.h"

/* Makes what is missing of A's home, and sets *MADE then.  ERR_PERMISSION when
 * something is in the way: a link, a folder of somebody else's.  Nothing is
 * synced: see homes_sync. */
int homes_make(const struct account *a, const struct policy *policy, bool *made,
    struct err *e);
/* Puts the homes that were made on disk. */
int homes_sync(const struct policy *policy, struct err *e);

#endif

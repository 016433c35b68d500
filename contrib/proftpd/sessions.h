/*
 * Open sessions of ProFTPD that belong to users from us who are users no more:
 * they were removed, disabled, have expired, or have another uid or gid now.
 */
#ifndef CONTRIB_PROFTPD_SESSIONS_H
#define CONTRIB_PROFTPD_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "contrib/accounts/people.h"
#include "contrib/accounts/policy.h"

/* Ends them, and waits until they are gone; *ENDED is how many.  WAITING looks
 * at connections that are logging in as well, whose processes may remember a
 * password, or that there was a user: each is ended unless within 2 s it is
 * somebody's who may.  ERR_TIMEOUT when one stays after SIGKILL.  Sessions of
 * users of other origin are never touched. */
int sessions_end(const struct people *p, const struct policy *policy,
    bool waiting, size_t *ended, struct err *e);

#endif

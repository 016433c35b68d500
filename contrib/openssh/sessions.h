/*
 * Open sessions of sshd that belong to users from us who are users no more:
 * they were removed, disabled, have expired, or have another uid or gid now.
 */
#ifndef CONTRIB_OPENSSH_SESSIONS_H
#define CONTRIB_OPENSSH_SESSIONS_H

#include <stddef.h>

#include "base/err.h"
#include "contrib/openssh/nss_files.h"
#include "contrib/accounts/people.h"
#include "contrib/accounts/policy.h"

/* Ends them, and waits until they are gone; *ENDED is how many.  ERR_TIMEOUT
 * when one stays after SIGKILL.  Whose they are is told by what sshd's own
 * process, which is root's, calls itself, and by the marker group of the
 * process that runs as the user; in the middle of a login by BEFORE.  Sessions
 * of users of other origin are never touched. */
int sessions_end(const struct people *p, const struct nss_before *before,
    const struct policy *policy, size_t *ended, struct err *e);

#endif

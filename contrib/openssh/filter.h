/*
 * The rules of scope "service" before sshd: a table of nftables, made only
 * where the administrator says "filter = yes".
 */
#ifndef CONTRIB_OPENSSH_FILTER_H
#define CONTRIB_OPENSSH_FILTER_H

#include "base/err.h"
#include "contrib/accounts/denied.h"
#include "contrib/openssh/openssh_policy.h"

/* Makes the kernel refuse DENIED, and keeps the script for the next start of
 * the host; without "filter = yes" takes away what was made before.  On error
 * the kernel has what it had. */
int filter_apply(const struct denied *denied,
    const struct openssh_policy *policy, struct err *e);

#endif

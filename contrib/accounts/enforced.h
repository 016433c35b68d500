/*
 * Telling lockstepd what enforces the rules of scope "service" on this host, by
 * a file of one line beside the database; "lockstep ipfilter list" shows it
 * (daemon/service_rules.h).
 */
#ifndef CONTRIB_ACCOUNTS_ENFORCED_H
#define CONTRIB_ACCOUNTS_ENFORCED_H

#include "base/err.h"
#include "contrib/accounts/policy.h"

/* PROGRAM enforces them by what BY says; NULL: no longer. */
int enforced_note(const struct policy *policy, const char *program,
    const char *by, struct err *e);

#endif

/*
 * What is the same in every program that makes users of dataset "config" users
 * of this host: how it is called and what it says.  Run as a hook after each
 * revision, by a timer for those whose time ends, or by hand.
 *
 *     PROGRAM [--config FILE] [--root DIR] [--all] [DATASET EPOCH REVISION]
 *
 *     struct mine_policy policy;
 *
 *     mine_policy_init(&policy);
 *     return program_run("lockstep-mine", &policy.accounts, apply, argc, argv);
 */
#ifndef CONTRIB_ACCOUNTS_PROGRAM_H
#define CONTRIB_ACCOUNTS_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "contrib/accounts/policy.h"

/* Makes the host as the database has it; the same run twice changes nothing,
 * and a run that was cut short is finished by the next.  ALL: looks also at
 * what did not change. */
typedef int program_apply(const struct policy *policy, bool all, struct err *e);

/* The whole of main(), its exit status: POLICY, which was initialised, is
 * loaded and released, and an error told on standard error. */
int program_run(const char *name, struct policy *policy, program_apply *apply,
    int argc, char **argv);
/* Says how many sessions were ended, when any were. */
void program_tell_ended(size_t sessions);

#endif

/*
 * lockstep-openssh: makes the users of dataset "config" users of this host, for
 * sshd.
 */
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "contrib/accounts/denied.h"
#include "contrib/accounts/homes.h"
#include "contrib/accounts/people.h"
#include "contrib/accounts/program.h"
#include "contrib/accounts/turn.h"
#include "contrib/openssh/filter.h"
#include "contrib/openssh/nss_files.h"
#include "contrib/openssh/openssh_policy.h"
#include "contrib/openssh/sessions.h"
#include "sync/open.h"

/* Homes of everybody who is new or moved, or of ALL.  One that cannot be made
 * keeps its user out (sshd refuses it), and no other. */
static int
make_homes(const struct people *p, const struct nss_before *before,
    const struct policy *policy, bool all, struct err *e)
{
    struct homes homes = { .policy = policy };

    for (size_t i = 0; i < p->count; i++)
        if (all || !nss_before_is_same(before, &p->accounts[i], policy))
            homes_make(&homes, &p->accounts[i]);
    return homes_finish(&homes, e);
}

/* Who may log in, and from where not. */
static int
read_config(struct people *people, struct denied *denied,
    const struct openssh_policy *openssh, struct err *e)
{
    int64_t now_s = clock_utc_ms() / 1000;
    sqlite3 *db = NULL;
    int r = people_open(&db, &openssh->accounts, e);

    if (r == 0)
        r = people_read(people, db, &openssh->accounts, now_s, e);
    if (r == 0 && openssh->filter)
        r = denied_read(denied, db, now_s, e);
    database_close(db);
    return r;
}

static int
apply(const struct policy *policy, bool all, struct err *e)
{
    const struct openssh_policy *openssh =
        (const struct openssh_policy *)policy;
    struct people people = { 0 };
    struct denied denied = { NULL, 0 };
    struct nss_before before = { 0 };
    size_t ended = 0;
    int r = -1, turn = turn_take(openssh->extrausers, 0755, e);

    if (turn < 0)
        return -1;
    if (nss_before_read(&before, openssh->extrausers, e) != 0 ||
        read_config(&people, &denied, openssh, e) != 0 ||
        make_homes(&people, &before, policy, all, e) != 0 ||
        nss_files_write(&people, policy, openssh->extrausers, e) != 0)
        goto out;
    if (policy->end_sessions &&
        sessions_end(&people, &before, policy, &ended, e) != 0)
        goto out;
    program_tell_ended(ended);
    r = filter_apply(&denied, openssh, e);
out:
    people_release(&people);
    nss_before_release(&before);
    denied_release(&denied);
    close(turn);
    return r;
}

int
main(int argc, char **argv)
{
    struct openssh_policy policy;

    openssh_policy_init(&policy);
    return program_run("lockstep-openssh", &policy.accounts, apply, argc, argv);
}

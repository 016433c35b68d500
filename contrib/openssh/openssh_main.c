/*
 * lockstep-openssh: makes the users of dataset "config" users of this host, for
 * sshd.  Run as a hook after each revision, by a timer for those who expire, or
 * by hand.
 *
 *     lockstep-openssh [--config FILE] [--root DIR] [--all]
 *                      [DATASET EPOCH REVISION]
 *
 * The same run twice changes nothing, and a run that was cut short is finished
 * by the next.
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "contrib/accounts/homes.h"
#include "contrib/accounts/locals.h"
#include "contrib/openssh/nss_files.h"
#include "contrib/accounts/people.h"
#include "contrib/accounts/turn.h"
#include "contrib/openssh/openssh_policy.h"
#include "contrib/openssh/sessions.h"
#include "sync/open.h"

/* Of the homes that cannot be made so many are named. */
#define TOLD_MAX 20

/* Homes of everybody who is new or moved, or of ALL.  One that cannot be made
 * keeps its user out, and no other. */
static int
make_homes(const struct people *p, const struct nss_before *before,
    const struct policy *policy, bool all, struct err *e)
{
    bool made = false;
    size_t failed = 0;

    for (size_t i = 0; i < p->count; i++) {
        struct err why = ERR_INIT;

        if (!all && nss_before_is_same(before, &p->accounts[i], policy))
            continue;
        if (homes_make(&p->accounts[i], policy, &made, &why) == 0)
            continue;
        if (failed++ < TOLD_MAX)
            fprintf(stderr, "user \"%s\" cannot log in: %s\n",
                p->accounts[i].name, why.message);
    }
    if (failed > TOLD_MAX)
        fprintf(stderr, "and %zu more\n", failed - TOLD_MAX);
    return made ? homes_sync(policy, e) : 0;
}

static int
apply(const struct openssh_policy *openssh, bool all, struct err *e)
{
    const struct policy *policy = &openssh->accounts;
    struct locals locals = { 0 };
    struct people people = { 0 };
    struct nss_before before = { 0 };
    sqlite3 *db = NULL;
    size_t ended = 0;
    int r = -1, lock = turn_take(openssh->extrausers, 0755, e);

    if (lock < 0)
        return -1;
    if (locals_read(&locals, policy->passwd, policy->group, e) != 0 ||
        nss_before_read(&before, openssh->extrausers, e) != 0 ||
        people_open(&db, policy, e) != 0 ||
        people_read(&people, db, policy, &locals, clock_utc_ms() / 1000, e) !=
            0)
        goto out;
    database_close(db);
    db = NULL;
    if (locals_have_group(&locals, policy->marker_group) ||
        locals_have_gid(&locals, policy->marker_gid)) {
        err_set(e, ERR_EXISTS, "this host has group \"%s\" or gid %lu already",
            policy->marker_group, (unsigned long)policy->marker_gid);
        err_hint(e,
            "Set marker_group and marker_gid in " OPENSSH_POLICY_FILE ".");
        goto out;
    }
    umask(022);
    if (make_homes(&people, &before, policy, all, e) != 0 ||
        nss_files_write(&people, policy, openssh->extrausers, e) != 0)
        goto out;
    if (policy->end_sessions &&
        sessions_end(&people, &before, policy, &ended, e) != 0)
        goto out;
    if (ended > 0)
        printf("ended %zu session%s\n", ended, ended == 1 ? "" : "s");
    r = 0;
out:
    database_close(db);
    people_release(&people);
    nss_before_release(&before);
    locals_release(&locals);
    close(lock);
    return r;
}

static int
usage(void)
{
    fputs("usage: lockstep-openssh [--config FILE] [--root DIR] [--all]\n"
          "                        [DATASET EPOCH REVISION]\n",
        stderr);
    return 2;
}

int
main(int argc, char **argv)
{
    static const struct option options[] = { { "config", 1, NULL, 'c' },
        { "root", 1, NULL, 'r' }, { "all", 0, NULL, 'a' },
        { NULL, 0, NULL, 0 } };
    const char *file = NULL, *root = NULL;
    bool all = false;
    struct openssh_policy policy;
    struct err e = ERR_INIT;
    int c, status = 1;

    while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        if (c == 'c')
            file = optarg;
        else if (c == 'r')
            root = optarg;
        else if (c == 'a')
            all = true;
        else
            return usage();
    }
    if (argc - optind != 0 && argc - optind != 3)
        return usage();
    if (argc - optind == 3 && strcmp(argv[optind], "config") != 0)
        return 0;
    openssh_policy_init(&policy);
    if (policy_load(&policy.accounts, file, root, &e) == 0) {
        if (argc - optind == 3)
            policy_take_environment(&policy.accounts);
        status = apply(&policy, all, &e) == 0 ? 0 : 1;
    }
    if (status != 0)
        fprintf(stderr, "lockstep-openssh: %s\n%s%s", e.message, e.hint,
            e.hint[0] != '\0' ? "\n" : "");
    policy_release(&policy.accounts);
    return status;
}

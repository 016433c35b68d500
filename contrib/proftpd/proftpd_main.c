/*
 * lockstep-proftpd: makes the users of dataset "config" users of ProFTPD.  Run
 * as a hook after each revision, by a timer for those who expire, or by hand.
 *
 *     lockstep-proftpd [--config FILE] [--root DIR] [--all]
 *                      [DATASET EPOCH REVISION]
 *
 * The same run twice changes nothing, and a run that was cut short is finished
 * by the next.
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "contrib/accounts/homes.h"
#include "contrib/accounts/locals.h"
#include "contrib/accounts/people.h"
#include "contrib/accounts/turn.h"
#include "contrib/proftpd/proftpd_policy.h"
#include "contrib/proftpd/reload.h"
#include "contrib/proftpd/rules.h"
#include "contrib/proftpd/sessions.h"
#include "contrib/proftpd/user_file.h"
#include "contrib/proftpd/user_rows.h"
#include "sync/open.h"

/* Of the homes that cannot be made so many are named. */
#define TOLD_MAX 20

struct homes {
    const struct people *people;
    const struct policy *policy;
    bool made;
    size_t failed;
};

/* ProFTPD takes any home, so who has none that is safe is kept out. */
static bool
make_home(void *ctx, const char *name)
{
    struct homes *homes = ctx;
    const struct account *a = people_find(homes->people, name);
    struct err why = ERR_INIT;

    if (a != NULL && homes_make(a, homes->policy, &homes->made, &why) == 0)
        return true;
    if (homes->failed++ < TOLD_MAX)
        fprintf(stderr, "user \"%s\" cannot log in: %s\n", name, why.message);
    return false;
}

/* Makes homes, and then the rows of DB those of PEOPLE. */
static int
apply_users(sqlite3 *db, const struct people *people,
    const struct policy *policy, bool all, struct err *e)
{
    struct homes homes = { people, policy, false, 0 };
    mode_t before = umask(022);
    int r = -1;

    if (user_rows_ask(db, all, make_home, &homes, e) != 0)
        goto out;
    if (homes.failed > TOLD_MAX)
        fprintf(stderr, "and %zu more\n", homes.failed - TOLD_MAX);
    if (homes.made && homes_sync(policy, e) != 0)
        goto out;
    r = user_rows_write(db, e);
out:
    umask(before);
    return r;
}

/* Who was taken away may have been so by a run that was cut short. */
static int
end_sessions(sqlite3 *db, const struct people *people,
    const struct policy *policy, bool anew, struct err *e)
{
    char *removed = NULL;
    size_t ended = 0;
    int r;

    if (user_file_recall(db, USER_ROWS_REMOVED, &removed, e) != 0)
        return -1;
    r = policy->end_sessions
            ? sessions_end(people, policy, anew || removed != NULL, &ended, e)
            : 0;
    if (ended > 0)
        printf("ended %zu session%s\n", ended, ended == 1 ? "" : "s");
    if (r == 0 && removed != NULL)
        r = user_file_remember(db, USER_ROWS_REMOVED, NULL, e);
    free(removed);
    return r;
}

static int
apply_all(const struct proftpd_policy *proftpd, bool all, struct err *e)
{
    const struct policy *policy = &proftpd->accounts;
    struct locals locals = { 0 };
    struct people people = { 0 };
    struct buf rules = BUF_INIT;
    sqlite3 *config = NULL, *db = NULL;
    int64_t now_s = clock_utc_ms() / 1000;
    bool anew = false;
    int r = -1;

    if (locals_read(&locals, policy->passwd, policy->group, e) != 0 ||
        people_open(&config, policy, e) != 0 ||
        people_read(&people, config, policy, &locals, now_s, e) != 0 ||
        rules_text(config, now_s, &rules, e) != 0)
        goto out;
    if (locals_have_group(&locals, policy->marker_group) ||
        locals_have_gid(&locals, policy->marker_gid)) {
        err_set(e, ERR_EXISTS, "this host has group \"%s\" or gid %lu already",
            policy->marker_group, (unsigned long)policy->marker_gid);
        err_hint(e, "Set marker_group and marker_gid in %s.", policy->file);
        goto out;
    }
    if (user_file_open(&db, proftpd->users, &anew, e) != 0 ||
        user_rows_want(db, config, &people, policy, e) != 0)
        goto out;
    database_close(config);
    config = NULL;
    if (apply_users(db, &people, policy, all || anew, e) != 0 ||
        end_sessions(db, &people, policy, anew, e) != 0)
        goto out;
    r = proftpd->rules[0] == '\0' ? 0 : reload_rules(db, &rules, proftpd, e);
out:
    database_close(db);
    database_close(config);
    buf_release(&rules);
    people_release(&people);
    locals_release(&locals);
    return r;
}

static int
apply(const struct proftpd_policy *proftpd, bool all, struct err *e)
{
    char *folder = alloc_string(proftpd->users);
    int r, turn;

    *strrchr(folder, '/') = '\0';
    turn = turn_take(folder[0] != '\0' ? folder : "/", 0700, e);
    free(folder);
    if (turn < 0)
        return -1;
    r = apply_all(proftpd, all, e);
    close(turn);
    return r;
}

static int
usage(void)
{
    fputs("usage: lockstep-proftpd [--config FILE] [--root DIR] [--all]\n"
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
    struct proftpd_policy policy;
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
    proftpd_policy_init(&policy);
    if (policy_load(&policy.accounts, file, root, &e) == 0) {
        if (argc - optind == 3)
            policy_take_environment(&policy.accounts);
        status = apply(&policy, all, &e) == 0 ? 0 : 1;
    }
    if (status != 0)
        fprintf(stderr, "lockstep-proftpd: %s\n%s%s", e.message, e.hint,
            e.hint[0] != '\0' ? "\n" : "");
    policy_release(&policy.accounts);
    return status;
}

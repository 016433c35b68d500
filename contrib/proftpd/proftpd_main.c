/*
 * lockstep-proftpd: makes the users of dataset "config" users of ProFTPD.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "contrib/accounts/denied.h"
#include "contrib/accounts/enforced.h"
#include "contrib/accounts/homes.h"
#include "contrib/accounts/people.h"
#include "contrib/accounts/program.h"
#include "contrib/accounts/turn.h"
#include "contrib/proftpd/proftpd_policy.h"
#include "contrib/proftpd/reload.h"
#include "contrib/proftpd/rules.h"
#include "contrib/proftpd/sessions.h"
#include "contrib/proftpd/user_file.h"
#include "contrib/proftpd/user_rows.h"
#include "sync/open.h"

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
    program_tell_ended(ended);
    if (r == 0 && removed != NULL)
        r = user_file_remember(db, USER_ROWS_REMOVED, NULL, e);
    free(removed);
    return r;
}

/* Only where ProFTPD is told of them is it so. */
static int
apply_rules(sqlite3 *db, const struct buf *rules,
    const struct proftpd_policy *proftpd, struct err *e)
{
    bool wanted = proftpd->rules[0] != '\0';

    if (wanted && reload_rules(db, rules, proftpd, e) != 0)
        return -1;
    return enforced_note(&proftpd->accounts, "proftpd",
        wanted ? "ProFTPD" : NULL, e);
}

static int
apply_all(const struct proftpd_policy *proftpd, bool all, struct err *e)
{
    const struct policy *policy = &proftpd->accounts;
    struct people people = { 0 };
    struct denied denied = { NULL, 0 };
    struct user_rows rows = { .people = NULL };
    struct homes homes = { .policy = policy };
    struct buf rules = BUF_INIT;
    sqlite3 *config = NULL, *db = NULL;
    int64_t now_s = clock_utc_ms() / 1000;
    bool anew = false;
    int r = -1;

    if (people_open(&config, policy, e) != 0 ||
        people_read(&people, config, policy, now_s, e) != 0 ||
        denied_read(&denied, config, now_s, e) != 0 ||
        rules_text(&denied, &rules, e) != 0 ||
        user_rows_want(&rows, config, &people, policy, e) != 0)
        goto out;
    database_close(config);
    config = NULL;
    if (user_file_open(&db, proftpd->users, &anew, e) != 0 ||
        user_rows_update(&rows, db, &homes, all || anew, e) != 0 ||
        end_sessions(db, &people, policy, anew, e) != 0)
        goto out;
    r = apply_rules(db, &rules, proftpd, e);
out:
    database_close(db);
    database_close(config);
    buf_release(&rules);
    denied_release(&denied);
    user_rows_release(&rows);
    people_release(&people);
    return r;
}

static int
apply(const struct policy *policy, bool all, struct err *e)
{
    const struct proftpd_policy *proftpd =
        (const struct proftpd_policy *)policy;
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

int
main(int argc, char **argv)
{
    struct proftpd_policy policy;

    proftpd_policy_init(&policy);
    return program_run("lockstep-proftpd", &policy.accounts, apply, argc, argv);
}

/*
 * lockstep-authorized-keys: sshd's AuthorizedKeysCommand.  Prints the keys that
 * dataset "config" has for one user, from the local database and so also while
 * lockstepd is down.
 *
 *     lockstep-authorized-keys [--config FILE] [--root DIR] NAME UID
 *
 * sshd says which user it found by NAME (UID): one of that name from anywhere
 * else is given nothing.  For whoever has no keys here it prints nothing and
 * exits 0, so that sshd goes on as it would for anybody.
 */
#include <ctype.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "contrib/accounts/account.h"
#include "contrib/accounts/key.h"
#include "contrib/accounts/locals.h"
#include "contrib/openssh/openssh_policy.h"
#include "sync/open.h"

/* A login that waits is better than one refused; sshd gives it 120 s. */
#define WAIT_MS 20000

static const char keys_sql[] =
    "SELECT " ACCOUNT_COLUMNS ", k.type, k.key FROM users AS u"
    " JOIN user_keys AS k ON k.user_id = u.id"
    " WHERE u.name = ?2 AND " ACCOUNT_ACTIVE " LIMIT ?3";

struct question {
    const char *name;
    uint32_t uid;
};

/* Prints the keys of the rows; the account is the same in each. */
static int
print_keys(sqlite3 *db, sqlite3_stmt *stmt, const struct question *q,
    const struct policy *policy, const struct locals *locals, struct err *e)
{
    bool judged = false;
    int rc;

    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *type =
            (const char *)sqlite3_column_text(stmt, ACCOUNT_COLUMN_COUNT);
        const char *key =
            (const char *)sqlite3_column_text(stmt, ACCOUNT_COLUMN_COUNT + 1);

        if (!judged) {
            struct account a;
            const char *refusal = account_read(&a, stmt, policy, locals);
            bool other = refusal == NULL && a.uid != q->uid;

            account_release(&a);
            if (refusal != NULL || other) {
                fprintf(stderr, "no keys for \"%s\": %s\n", q->name,
                    other ? "its uid is another" : refusal);
                return 0;
            }
            judged = true;
        }
        if (key_is_plain(type, key))
            printf("restrict %s %s\n", type, key);
    }
    return rc == SQLITE_DONE ? 0 : database_error(db, e, "could not read keys");
}

static int
answer(const struct question *q, const struct policy *policy, struct err *e)
{
    struct locals locals = { 0 };
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    int r = -1;

    if (locals_read(&locals, policy->passwd, policy->group, e) != 0 ||
        database_open(&db, policy->database, OPEN_READ, WAIT_MS, e) != 0 ||
        database_prepare(db, keys_sql, &stmt, e) != 0)
        goto out;
    sqlite3_bind_int64(stmt, 1, clock_utc_ms() / 1000);
    sqlite3_bind_text(stmt, 2, q->name, -1, SQLITE_STATIC);
    sqlite3_bind_int(stmt, 3, KEYS_MAX);
    r = print_keys(db, stmt, q, policy, &locals, e);
out:
    sqlite3_finalize(stmt);
    database_close(db);
    locals_release(&locals);
    return r;
}

static int
usage(void)
{
    fputs("usage: lockstep-authorized-keys [--config FILE] [--root DIR] NAME "
          "UID\n",
        stderr);
    return 2;
}

int
main(int argc, char **argv)
{
    static const struct option options[] = { { "config", 1, NULL, 'c' },
        { "root", 1, NULL, 'r' }, { NULL, 0, NULL, 0 } };
    const char *file = NULL, *root = NULL;
    struct openssh_policy policy;
    struct question q;
    struct err e = ERR_INIT;
    char *end;
    int c, status = 1;

    while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        if (c != 'c' && c != 'r')
            return usage();
        *(c == 'c' ? &file : &root) = optarg;
    }
    if (argc - optind != 2 || !isdigit((unsigned char)argv[optind + 1][0]))
        return usage();
    q.name = argv[optind];
    q.uid = (uint32_t)strtoul(argv[optind + 1], &end, 10);
    if (*end != '\0')
        return usage();
    if (!account_name_ok(q.name, strlen(q.name)))
        return 0;
    openssh_policy_init(&policy);
    if (policy_load(&policy.accounts, file, root, &e) == 0 &&
        answer(&q, &policy.accounts, &e) == 0 && fflush(stdout) == 0)
        status = 0;
    else
        fprintf(stderr, "lockstep-authorized-keys: %s\n", e.message);
    policy_release(&policy.accounts);
    return status;
}

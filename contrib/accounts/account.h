/*
 * A user of dataset "config" as a user of this host, and the rules about whom
 * that may be.  Both programs ask here, so nobody who is refused an entry in
 * passwd is given a key either.
 *
 * The rules trust nothing that the schema of "config" promises: a replicated
 * row is applied without its CHECKs.
 */
#ifndef CONTRIB_ACCOUNTS_ACCOUNT_H
#define CONTRIB_ACCOUNTS_ACCOUNT_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "contrib/accounts/locals.h"
#include "contrib/accounts/policy.h"

#define ACCOUNT_NAME_MAX 32

struct account {
    int64_t id; /* of the row */
    char name[ACCOUNT_NAME_MAX + 1];
    uint32_t uid;
    uint32_t gid;
    char *home;
    char *hash;        /* crypt(3), or NULL */
    char *comment;     /* fit for passwd */
    int64_t expires_s; /* UTC; 0: never */
};

void account_release(struct account *a);

/* The columns that account_read wants, in its order, of users AS u. */
#define ACCOUNT_COLUMNS                                          \
    "u.name, u.uid, u.gid, u.home, u.password_hash, u.comment, " \
    "u.expires, u.id"
#define ACCOUNT_COLUMN_COUNT 8
/* Who may log in now (UTC seconds as ?1). */
#define ACCOUNT_ACTIVE \
    "u.enabled IS 1 AND (u.expires IS NULL OR u.expires > ?1)"

/* Whether S is a name as "config" has them: [a-z_][a-z0-9_.-]{0,31}. */
bool account_name_ok(const char *s, size_t len);
/* Fills A from the row of STMT whose first columns are ACCOUNT_COLUMNS.  NULL,
 * or why this is no user of this host; A is to be released in either case. */
const char *account_read(struct account *a, sqlite3_stmt *stmt,
    const struct policy *policy, const struct locals *locals);
/* Whether ID is in the range of POLICY. */
bool account_id_ok(const struct policy *policy, int64_t id);

#endif

/*
 * Everybody whom dataset "config" makes a user of this host, with their groups,
 * read in one transaction; and whom the rules refuse, told on standard error.
 */
#ifndef CONTRIB_ACCOUNTS_PEOPLE_H
#define CONTRIB_ACCOUNTS_PEOPLE_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "contrib/accounts/account.h"
#include "contrib/accounts/policy.h"

struct people {
    struct account *accounts; /* by name, as strcmp has it */
    size_t count;
    struct account **by_id; /* the same in that order */
    size_t refused;
    struct buf groups; /* lines of group(5) */
};

/* Opens the local database and begins the transaction in which all is read.
 * Blocks for locks.  database_close() ends it. */
int people_open(sqlite3 **db, const struct policy *policy, struct err *e);
/* Reads who may log in at NOW_S (UTC).  ERR_EXISTS when the marker group is one
 * of this host's own. */
int people_read(struct people *p, sqlite3 *db, const struct policy *policy,
    int64_t now_s, struct err *e);
void people_release(struct people *p);
/* Borrowed; NULL when there is none of that name. */
const struct account *people_find(const struct people *p, const char *name);
/* By the id in COLUMN of STMT's row, which may be none. */
const struct account *people_find_id(const struct people *p, sqlite3_stmt *stmt,
    int column);

#endif

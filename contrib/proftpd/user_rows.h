/*
 * Makes the rows of users.db those of dataset "config": the wanted rows are put
 * beside those that are there, and what differs is changed in one transaction,
 * so that its cost, and the time for which ProFTPD waits, follow the change.
 *
 *     user_rows_want(db, config, &people, policy, &e)
 *     user_rows_new_names(db, visit, ctx, &e)      whose home is to be made
 *     user_rows_write(db, &removed, &e)
 */
#ifndef CONTRIB_PROFTPD_USER_ROWS_H
#define CONTRIB_PROFTPD_USER_ROWS_H

#include <sqlite3.h>
#include <stdbool.h>

#include "base/err.h"
#include "contrib/accounts/people.h"
#include "contrib/accounts/policy.h"

/* What is remembered (user_file.h) from the transaction that takes somebody
 * away on, until his sessions have ended. */
#define USER_ROWS_REMOVED "removed"

/* Puts everybody of P with groups and, from CONFIG, keys into temporary tables
 * of DB. */
int user_rows_want(sqlite3 *db, sqlite3 *config, const struct people *p,
    const struct policy *policy, struct err *e);
/* Asks KEEP about each user who is new or changed, or about ALL; those for whom
 * it says no are wanted no longer. */
int user_rows_ask(sqlite3 *db, bool all,
    bool (*keep)(void *ctx, const char *name), void *ctx, struct err *e);
/* Writes what differs; on disk on return. */
int user_rows_write(sqlite3 *db, struct err *e);

#endif

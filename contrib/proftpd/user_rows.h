/*
 * Makes the rows of users.db those of dataset "config".  All of them are
 * compared, each time, and what differs is changed in one transaction, so that
 * what is written, and the time for which ProFTPD waits, follow the change.
 *
 *     struct user_rows rows;
 *
 *     if (user_rows_want(&rows, config, &people, policy, &e) != 0 ||
 *         user_rows_update(&rows, db, &homes, all, &e) != 0) ...
 *     user_rows_release(&rows);
 */
#ifndef CONTRIB_PROFTPD_USER_ROWS_H
#define CONTRIB_PROFTPD_USER_ROWS_H

#include <sqlite3.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "contrib/accounts/homes.h"
#include "contrib/accounts/people.h"
#include "contrib/accounts/policy.h"
#include "contrib/proftpd/row_set.h"

/* What is remembered (user_file.h) from the transaction that takes somebody
 * away on, until his sessions have ended. */
#define USER_ROWS_REMOVED "removed"

struct user_rows {
    const struct people *people;
    struct row_set users;
    struct row_set members;
    struct row_set keys;
    struct buf groups; /* what members point into */
    struct buf text;   /* and keys */
};

/* Everybody of P, which has to outlive the rows as POLICY has, with groups and,
 * from CONFIG, keys. */
int user_rows_want(struct user_rows *w, sqlite3 *config, const struct people *p,
    const struct policy *policy, struct err *e);
/* Makes the home of whoever is new or moved, or of ALL; who has none that is
 * safe is wanted no longer, as ProFTPD takes any.  Then writes what differs; on
 * disk on return. */
int user_rows_update(struct user_rows *w, sqlite3 *db, struct homes *homes,
    bool all, struct err *e);
void user_rows_release(struct user_rows *w);

#endif

/*
 * The include file of rules, and telling ProFTPD to read it.
 */
#ifndef CONTRIB_PROFTPD_RELOAD_H
#define CONTRIB_PROFTPD_RELOAD_H

#include <sqlite3.h>

#include "base/buf.h"
#include "base/err.h"
#include "contrib/proftpd/proftpd_policy.h"

/* Makes the file hold RULES.  When a server runs that was not told of these,
 * checks its configuration with them and tells it.  On error the file is as
 * before.  What a server was told of is remembered in DB (user_file.h). */
int reload_rules(sqlite3 *db, const struct buf *rules,
    const struct proftpd_policy *policy, struct err *e);

#endif

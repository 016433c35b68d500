/*
 * A database copied page by page, which can be given up on the way.
 */
#ifndef SYNC_COPY_H
#define SYNC_COPY_H

#include <sqlite3.h>

#include "base/err.h"

/* Makes TO's main database equal to FROM's, as FROM is at the beginning; both
 * may be in use by others.  TO is one transaction: on an error it is as it was.
 * ERR_CANCELLED when a stop was requested meanwhile, ERR_BUSY when either is
 * locked. */
int database_copy(sqlite3 *to, sqlite3 *from, struct err *e);

#endif

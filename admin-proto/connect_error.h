/*
 * What errno says when a connection fails, in words for an administrator: one
 * table for the engine's connector and for the command line.
 */
#ifndef ADMIN_PROTO_CONNECT_ERROR_H
#define ADMIN_PROTO_CONNECT_ERROR_H

#include "base/err.h"

/* Sets E for a connection to WHERE that failed with ERRNUM.  Returns -1. */
int connect_error_set(struct err *e, const char *where, int errnum);
/* Sets E for a connection from our address OWN ("": not known) to WHERE
 * that ended before one byte came from there: how a node refuses an address.
 * Returns -1. */
int connect_error_closed(struct err *e, const char *where, const char *own);
/* How much ERRNUM says about the server: of several addresses' errors the one
 * of the highest rank is told.  -1 for one that is not in the table. */
int connect_error_rank(int errnum);

#endif

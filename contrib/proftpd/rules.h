/*
 * The rules of dataset "config" with scope "service" as ProFTPD's include file:
 * who may log in by address.
 */
#ifndef CONTRIB_PROFTPD_RULES_H
#define CONTRIB_PROFTPD_RULES_H

#include "base/buf.h"
#include "base/err.h"
#include "contrib/accounts/denied.h"

/* Puts the whole file into TEXT.  ERR_INVALID when DENIED comes to more than
 * ProFTPD should be given. */
int rules_text(const struct denied *denied, struct buf *text, struct err *e);

#endif

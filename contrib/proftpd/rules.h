/*
 * The rules of dataset "config" with scope "service" as ProFTPD's include file:
 * who may log in by address.  ProFTPD does not stop at the first rule that
 * matches, so what is written is what they come to: the addresses that are
 * denied.  Who matches no rule is allowed.
 */
#ifndef CONTRIB_PROFTPD_RULES_H
#define CONTRIB_PROFTPD_RULES_H

#include <sqlite3.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Puts the whole file into TEXT, by the rules of CONFIG that are in force at
 * NOW_S (UTC).  ERR_INVALID when a rule is none, or they come to more than
 * ProFTPD should be given. */
int rules_text(sqlite3 *config, int64_t now_s, struct buf *text, struct err *e);

#endif

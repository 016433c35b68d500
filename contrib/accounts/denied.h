/*
 * Which addresses the rules of dataset "config" with scope "service" come to
 * deny.  Neither servers nor sets of the kernel stop at the first rule that
 * matches, so what they are given is the ranges of addresses that are denied.
 * Who matches no rule is allowed.
 *
 *     struct denied denied;
 *     if (denied_read(&denied, config, now_s, &e) != 0) ...
 *     denied_release(&denied);
 */
#ifndef CONTRIB_ACCOUNTS_DENIED_H
#define CONTRIB_ACCOUNTS_DENIED_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* An address as a number; IPv4 lies at ::ffff:0:0/96. */
__extension__ typedef unsigned __int128 ip_number;

#define IP_NUMBER_TEXT 64

struct denied_range {
    ip_number first;
    ip_number last;
    bool v4; /* both ends are; else neither is */
};

struct denied {
    struct denied_range *ranges; /* in order, apart from each other */
    size_t count;
};

/* Reads the rules of CONFIG that are in force at NOW_S (UTC).  D is to be
 * released in either case.  ERR_INVALID when a rule is none, or there are too
 * many of them. */
int denied_read(struct denied *d, sqlite3 *config, int64_t now_s,
    struct err *e);
void denied_release(struct denied *d);
/* An address as it is written. */
void ip_number_format(ip_number n, char out[IP_NUMBER_TEXT]);

#endif

/* Who may do what on the admin port. */
#ifndef ADMIN_PROTO_ROLE_H
#define ADMIN_PROTO_ROLE_H

#include "base/err.h"

enum role {
    ROLE_NONE,   /* not logged in */
    ROLE_VIEWER, /* status, servers, events, metrics */
    ROLE_PUSH,   /* a primary's key: frames, facts, events, release */
    ROLE_JOIN,   /* the primary of a join file, before: may enrol, once */
    ROLE_ADMIN   /* everything */
};

const char *role_name(enum role role); /* "viewer" ... */
int role_parse(const char *name, enum role *role, struct err *e);

#endif

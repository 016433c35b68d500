/*
 * The users and groups that are this host's own, by its passwd and group files:
 * none of them is ever replaced, and none shares an id with a user from us.
 */
#ifndef CONTRIB_ACCOUNTS_LOCALS_H
#define CONTRIB_ACCOUNTS_LOCALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* What one of the two files has; sorted. */
struct local_set {
    char **names;
    uint32_t *ids;
    size_t count;
};

struct locals {
    struct local_set users;
    struct local_set groups;
};

/* Reads both files. */
int locals_read(struct locals *l, const char *passwd, const char *group,
    struct err *e);
void locals_release(struct locals *l);
bool locals_have_user(const struct locals *l, const char *name);
bool locals_have_uid(const struct locals *l, uint32_t uid);
bool locals_have_group(const struct locals *l, const char *name);
bool locals_have_gid(const struct locals *l, uint32_t gid);

#endif

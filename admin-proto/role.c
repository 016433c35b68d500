/* The names of the roles, as they travel in JSON and in the node's store. */
#include "admin-proto/role.h"

#include <stddef.h>
#include <string.h>

static const char *const names[] = {
    [ROLE_NONE] = "none",
    [ROLE_VIEWER] = "viewer",
    [ROLE_PUSH] = "push",
    [ROLE_JOIN] = "join",
    [ROLE_ADMIN] = "admin",
};

const char *
role_name(enum role role)
{
    if ((size_t)role >= sizeof(names) / sizeof(names[0]))
        return "none";
    return names[role];
}

int
role_parse(const char *name, enum role *role, struct err *e)
{
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            *role = (enum role)i;
            return 0;
        }
    }
    err_set(e, ERR_INVALID, "unknown role \"%s\"", name);
    err_hint(e, "Use admin, viewer or push.");
    return -1;
}

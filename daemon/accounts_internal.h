/*
 * The administrators of the cluster, as read from dataset "admins".
 */
#ifndef DAEMON_ACCOUNTS_INTERNAL_H
#define DAEMON_ACCOUNTS_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "admin-proto/role.h"
#include "base/err.h"

#define ADMINS_DATASET "admins"

struct dataset;

struct admin_key {
    uint8_t *blob;
    size_t len;
};

struct admin {
    int64_t id;
    char *name;
    char *password_hash; /* NULL: keys only */
    enum role role;
    struct admin_key *keys;
    size_t key_count;
};

struct admin_list {
    struct admin *items;
    size_t count;
};

/* Fills LIST, which must be empty; to be called within a job of DS. */
int admin_list_read(struct dataset *ds, struct admin_list *list, struct err *e);
void admin_list_release(struct admin_list *list);
const struct admin *admin_list_find(const struct admin_list *list,
    const char *name);

#endif

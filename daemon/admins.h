/*
 * What the commands on administrators share with those on their keys.
 */
#ifndef DAEMON_ADMINS_H
#define DAEMON_ADMINS_H

#include <stdint.h>

#include "base/err.h"
#include "daemon/config_job.h"

/* As config_read and config_write, on dataset admins. */
void admins_read(struct control_call *call,
    int (*work)(struct config_job *job, struct err *e));
void admins_write(struct control_call *call,
    int (*work)(struct config_job *job, struct err *e));
/* The administrator of the cluster that argument "name" names; the node's own
 * account is refused. */
int admin_find(struct config_job *job, const char **name, int64_t *id,
    struct err *e);

/* "admin key add|list|remove", listed by control_admin_commands. */
void admin_key_add(struct control_call *call);
void admin_key_list(struct control_call *call);
void admin_key_remove(struct control_call *call);

#endif

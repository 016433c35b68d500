/*
 * Commands: what /control runs.  A request is one JSON object
 *     {"command": "user add", "args": {"name": "ann"}}
 * and its answer is lines: {"progress": {...}} any number of times, then one
 * {"result": ...} or {"error": {"code","message","hint"}}.
 *
 * A family of commands is one file with a table of struct control_command; the
 * tables are listed in control.c.  A handler finishes its call exactly once, at
 * once or later on the loop.
 */
#ifndef DAEMON_CONTROL_H
#define DAEMON_CONTROL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "admin-proto/role.h"
#include "base/err.h"

struct engine;
struct control_call;

enum control_flag {
    CONTROL_CHANGES = 1,  /* refused on a secondary with NOT_PRIMARY, naming the
                             primary; see control_flag LOCAL for the exceptions */
    CONTROL_PRIMARY = 2,  /* only on a primary (standalone too if also CHANGES) */
    CONTROL_ANY_ROLE = 4  /* also for viewer and push roles */
};

struct control_command {
    const char *name;                  /* "user add" */
    unsigned flags;
    enum role least;                   /* ROLE_VIEWER, ROLE_PUSH or ROLE_ADMIN */
    const char *const *arguments;      /* names allowed, NULL-terminated */
    void (*run)(struct control_call *call);
};

/* Runs a request; SINK gets each line (with newline) and LAST with the final
 * one.  The call outlives its session: control_call_detach drops the sink. */
struct control_call *control_run(struct engine *engine, enum role role,
    const char *who, const char *request, size_t len,
    void (*sink)(void *ctx, const char *line, size_t len, bool last),
    void *ctx);
void control_call_detach(struct control_call *call);

struct engine *control_engine(const struct control_call *call);
const json_t *control_args(const struct control_call *call); /* an object */
enum role control_role(const struct control_call *call);
/* Who asks, for events: "admin from 127.0.0.1". */
const char *control_who(const struct control_call *call);
void control_progress(struct control_call *call, json_t *line); /* steals */
void control_finish(struct control_call *call, json_t *result); /* steals; NULL
                                                                   is {} */
void control_fail(struct control_call *call, const struct err *e);

/* The tables, one per family. */
extern const struct control_command control_node_commands[];    /* control_node.c: status, events list, node enroll|release|detach, doctor, backup, admin... */
extern const struct control_command control_fleet_commands[];   /* fleet_commands.c: server *, sync * */
extern const struct control_command control_dataset_commands[]; /* control_dataset.c */
extern const struct control_command control_user_commands[];    /* config_users.c */
extern const struct control_command control_group_commands[];   /* config_groups.c */
extern const struct control_command control_folder_commands[];  /* config_folders.c */
extern const struct control_command control_setting_commands[]; /* config_settings.c: config list|get|set|unset */
extern const struct control_command control_admin_commands[];   /* admins.c: admin *, admin key * */
extern const struct control_command control_filter_commands[];  /* config_filter.c: ipfilter * */
extern const struct control_command control_backup_commands[];  /* backup.c */

#endif

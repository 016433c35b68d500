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
    /* Refused on a secondary with NOT_PRIMARY, naming the primary. */
    CONTROL_CHANGES = 1,
    /* Only on a primary, and standalone if also CHANGES. */
    CONTROL_PRIMARY = 2,
    /* Also for the viewer and push roles. */
    CONTROL_ANY_ROLE = 4,
    /* For the primary of a join file, which may nothing else. */
    CONTROL_JOINS = 8
};

struct control_command {
    const char *name; /* "user add" */
    unsigned flags;
    enum role least;              /* the role that may run it, beside admin */
    const char *const *arguments; /* names allowed, NULL-terminated */
    void (*run)(struct control_call *call);
};

/* Runs a request; SINK gets each line (with newline) and LAST with the final
 * one.  The call outlives its session: control_call_detach drops the sink.
 * NULL when it has finished already. */
struct control_call *control_run(struct engine *engine, enum role role,
    const char *who, const char *request, size_t len,
    void (*sink)(void *ctx, const char *line, size_t len, bool last),
    void *ctx);
void control_call_detach(struct control_call *call);
/* Whoever reads the answer: HAS_ROOM tells whether more may be made, and
 * control_call_ready is called when that becomes true. */
void control_call_limit(struct control_call *call, bool (*has_room)(void *ctx));
void control_call_ready(struct control_call *call);

struct engine *control_engine(const struct control_call *call);
const json_t *control_args(const struct control_call *call); /* an object */
enum role control_role(const struct control_call *call);
/* Who asks, for events: "admin from 127.0.0.1". */
const char *control_who(const struct control_call *call);
/* The address that he asks from, "" for none. */
const char *control_address(const struct control_call *call);
void control_progress(struct control_call *call, json_t *line); /* steals */
/* Progress lines made already, each with its newline; they may come in any
 * pieces. */
void control_lines(struct control_call *call, const char *text, size_t len);
/* Whether the caller has read so much of the answer that more may be made; if
 * not, READY is called on the loop, once, when he has or nobody listens any
 * more.  For answers without a bound. */
bool control_has_room(struct control_call *call, void (*ready)(void *arg),
    void *arg);
void control_finish(struct control_call *call, json_t *result); /* steals; NULL
                                                                   is {} */
void control_fail(struct control_call *call, const struct err *e);

/* control_dataset.c: the dataset that argument "name" names; NULL with the call
 * failed. */
struct dataset;
struct dataset *control_dataset(struct control_call *call);

/* control_families.c: the tables below, ended by NULL. */
extern const struct control_command *const control_families[];
/* The tables, one per family, each ended by an entry without a name. */
/* control_node.c: status, events list, node *, doctor */
extern const struct control_command control_node_commands[];
/* fleet_commands.c: server *, sync * */
extern const struct control_command control_fleet_commands[];
/* control_dataset.c: dataset list, show, verify, accept */
extern const struct control_command control_dataset_commands[];
/* control_diff.c: dataset diff, dataset history */
extern const struct control_command control_diff_commands[];
/* control_dataset_use.c: dataset attach, detach, remove, capture */
extern const struct control_command control_dataset_use_commands[];
/* config_users.c: user *, user key * */
extern const struct control_command control_user_commands[];
/* config_groups.c: group * */
extern const struct control_command control_group_commands[];
/* config_folders.c: folder * */
extern const struct control_command control_folder_commands[];
/* config_settings.c: config * */
extern const struct control_command control_setting_commands[];
/* admins.c: admin *, admin key * */
extern const struct control_command control_admin_commands[];
/* config_filter.c: ipfilter * */
extern const struct control_command control_gate_commands[];
extern const struct control_command control_filter_commands[];
/* firewall.c: firewall matrix */
extern const struct control_command control_firewall_commands[];
/* control_key.c: key show, rotate, trust */
extern const struct control_command control_key_commands[];
/* control_hook.c: hook list, run, wait */
extern const struct control_command control_hook_commands[];
/* backup.c: backup create */
extern const struct control_command control_backup_commands[];

#endif

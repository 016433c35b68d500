/*
 * The fleet: a primary's registered servers, their links, what is pushed to
 * each and when; publishing on the interval, on request or on commit (instant).
 * On a node that is no primary it only publishes.
 */
#ifndef DAEMON_FLEET_H
#define DAEMON_FLEET_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "daemon/keys.h"

/* A server's clock that differs from ours by more is worth a word. */
#define FLEET_SKEW_MS 5000

struct engine;
struct fleet;

int fleet_open(struct fleet **fleet, struct engine *engine, struct err *e);
void fleet_close(struct fleet *fleet);
/* {"servers": [...]} as cli.md says, worst first, the primary on top; an empty
 * list on a node that is not a primary. */
json_t *fleet_json(struct fleet *fleet);
/* Something of ours changed a live database: publish soon if instant is on. */
void fleet_changed(struct fleet *fleet, const char *dataset);
/* True when this node and its servers are as they should be, who may be behind
 * for their interval and half a minute: for "status --check" and status.json;
 * WHY gets a sentence otherwise. */
bool fleet_healthy(struct fleet *fleet, char *why, size_t why_size);
/* The same of this node alone, whatever its servers are. */
bool fleet_node_healthy(struct fleet *fleet, char *why, size_t why_size);
/* The same, and it may take logins: no administrator drained it. */
bool fleet_ready_itself(struct fleet *fleet, char *why, size_t why_size);
/* On a secondary: its primary has not been heard of for "[health] stale". */
bool fleet_is_silent(const struct fleet *fleet);
/* Prometheus text of the servers, appended to OUT. */
struct buf;
void fleet_metrics(struct fleet *fleet, struct buf *out);
/* The list of datasets changed, or one of them could be opened at last. */
void fleet_datasets_changed(struct fleet *fleet);
/* What the server NAME lacks of DS, for control_diff.h; ERR_NOT_FOUND when
 * there is no such server or what it holds is not known. */
struct dataset;
struct diff_unit;
int fleet_diff_unit(struct fleet *fleet, const char *name,
    const struct dataset *ds, struct diff_unit *unit, struct err *e);
/* Runs COMMAND (with the dataset's name and our cluster) on every server, over
 * its push connection.  DONE, which may be NULL, is called once, perhaps at
 * once: SERVERS [{name, done, error}] borrowed, FIRST the first failure (an
 * unreachable server is one) or NULL. */
typedef void (
    *fleet_told_fn)(void *ctx, json_t *servers, const struct err *first);
void fleet_tell(struct fleet *fleet, const char *command, const char *dataset,
    fleet_told_fn done, void *ctx);
/* The name of a server that cannot be told anything now, or NULL. */
const char *fleet_first_unreachable(const struct fleet *fleet);
/* The cluster's filter rules changed: says which servers spare us from one. */
void fleet_check_rules(struct fleet *fleet);
/* Our keys changed or have a successor: tell every server. */
void fleet_keys_announce(struct fleet *fleet);
/* The successor of that key is in use. */
void fleet_keys_rotated(struct fleet *fleet, enum key_kind kind);
/* Whether every listed server confirmed our keys as they are now; FORCED leaves
 * out those that cannot be reached or refuse us. */
bool fleet_keys_known(const struct fleet *fleet, bool forced);
/* [{name, fingerprint, next, confirmed, why}]: host keys, and who knows
 * ours. */
json_t *fleet_keys_json(const struct fleet *fleet);
/* The role changed: load or drop the servers. */
void fleet_role_changed(struct fleet *fleet);

#endif

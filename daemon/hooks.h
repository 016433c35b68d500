/*
 * Hooks: after a revision was applied here (or published, on a primary) the
 * programs of the hook folder are called, one at a time, until it is in effect
 * (docs/hooks.md).  Due is whatever differs from what STATE_DIR/in-effect.json
 * says was put into effect, so nothing is forgotten over a crash, and what
 * comes meanwhile is one call more.
 *
 * All on the loop.
 */
#ifndef DAEMON_HOOKS_H
#define DAEMON_HOOKS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct control_call;
struct dataset;
struct engine;
struct hooks;

/* Whose datasets are open: what is due is begun with the loop. */
struct hooks *hooks_open(struct engine *engine);
/* Kills the hook that runs. */
void hooks_close(struct hooks *hooks);

/* The view of DS is new; AGAIN: its rows are not those that hooks have seen,
 * even if revision and digest are. */
void hooks_notice(struct hooks *hooks, struct dataset *ds, bool again);
/* Calls all of them for every dataset. */
void hooks_run_all(struct hooks *hooks);

/* Whether what this node holds is in effect: of DS, of all.  HOOKS may be NULL
 * in these three, while the node starts or stops. */
bool hooks_in_effect(const struct hooks *hooks, const struct dataset *ds);
bool hooks_all_in_effect(const struct hooks *hooks);
/* The first failure that lasts; NULL when there is none. */
const struct err *hooks_error(const struct hooks *hooks);
/* Whether a hook runs or is to be called now. */
bool hooks_are_busy(const struct hooks *hooks);

/* Finishes CALL with hooks_state_json when no hook runs or is to be called, or
 * after TIMEOUT_MS. */
void hooks_wait(struct hooks *hooks, struct control_call *call,
    int64_t timeout_ms);
/* {"in_effect","effect_error","busy"} of this node. */
json_t *hooks_state_json(const struct hooks *hooks);
/* {"folder","hooks":[{"name","error"}],"datasets":[{"name","revision",
 * "in_effect","attempts","next_attempt","error"}]}. */
json_t *hooks_json(const struct hooks *hooks);

#endif

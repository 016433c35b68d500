/*
 * One moment for all datasets: the last in which one of them became equal.  It
 * is saved with when the primary was heard; after a start it counts once the
 * primary has named the same revisions again.
 */
#include "daemon/equal_since.h"

#include "base/clock.h"
#include "daemon/engine.h"

void
equal_note_push(struct dataset *ds, const struct err *e)
{
    if (e->code == ERR_NONE)
        ds->engine->node.primary_equal_ms = clock_utc_ms();
    ds->equal = e->code == ERR_NONE ? EQUAL_YES : EQUAL_NO;
}

void
equal_note_heartbeat(struct dataset *ds, const struct err *e)
{
    struct node *node = &ds->engine->node;
    bool began = ds->equal == EQUAL_NO || node->primary_equal_ms == 0;

    if (e->code == ERR_BUSY)
        return;
    if (e->code != ERR_NONE) {
        ds->equal = EQUAL_NO;
        return;
    }
    /* What was saved may be older than what was pushed last. */
    if (ds->equal == EQUAL_UNKNOWN &&
        ds->view.state.changed_ms > node->primary_equal_ms)
        began = true;
    if (began)
        node->primary_equal_ms = clock_utc_ms();
    ds->equal = EQUAL_YES;
}

int64_t
equal_since_ms(const struct engine *engine)
{
    const struct datasets *all = engine->datasets;

    for (size_t i = 0; i < datasets_count(all); i++) {
        const struct dataset *ds = datasets_at(all, i);

        if (ds->replica != NULL &&
            (ds->equal != EQUAL_YES || ds->view.replica.drifted ||
                ds->view.replica.needs_overwrite))
            return 0;
    }
    return engine->node.primary_equal_ms;
}

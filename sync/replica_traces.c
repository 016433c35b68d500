/*
 * What is ours in a secondary's live file besides the state row: the triggers
 * and the journal by which drift is known row by row, or, where they are not
 * wanted, nothing.  Then any foreign write means a scrub, and drift an
 * overwrite.
 */
#include <string.h>

#include "sync/open.h"
#include "sync/replica_internal.h"

static int
install(sqlite3 *db, const struct schema *schema, bool *changed, struct err *e)
{
    struct buf needs_compare = BUF_INIT;
    int result = capture_install(db, schema, changed, &needs_compare, e);

    buf_release(&needs_compare);
    return result;
}

int
replica_settle_traces(const struct replica *r, sqlite3 *db,
    const struct schema *schema, bool *changed, struct err *e)
{
    bool settled;

    *changed = false;
    if (r->drift_capture == CAPTURE_TRIGGERS) {
        if (capture_intact(db, schema, &settled, e) != 0)
            return -1;
        return settled ? 0 : install(db, schema, changed, e);
    }
    if (capture_present(db, changed, e) != 0)
        return -1;
    return *changed ? capture_remove(db, e) : 0;
}

int
replica_read_journal(const struct replica *r, struct capture_keys *keys,
    struct err *e)
{
    memset(keys, 0, sizeof(*keys));
    return r->drift_capture == CAPTURE_TRIGGERS
               ? capture_read(r->db, r->schema, keys, e)
               : 0;
}

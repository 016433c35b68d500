/*
 * The schema changes of a bundle, inside the caller's transaction.  Our own
 * triggers make way for them: they would stand in the way of ALTER TABLE.
 */
#include "sync/ddl.h"
#include "sync/replica_internal.h"

static bool
list_is_empty(struct reader *list)
{
    struct reader r = *list;

    if (reader_varint(&r) != 0 || r.failed)
        return false;
    *list = r;
    return true;
}

int
ddl_apply(struct row_work *w, struct reader *body, bool *changed, struct err *e)
{
    struct replica *r = w->r;
    struct ddl_effect effect;

    *changed = false;
    if (list_is_empty(body))
        return 0;
    *changed = true;
    if (capture_remove_triggers(r->db, e) != 0 ||
        ddl_run(r->db, r->schema, body, &effect, e) != 0)
        return -1;
    digest_sub_hash(&w->digest, effect.removed.sum);
    digest_add_hash(&w->digest, effect.added.sum);
    w->rows += effect.rows_added - effect.rows_removed;
    schema_free(effect.after);
    return live_load_schema(r, e);
}

/*
 * Whether what the live database has become can still be replicated.  Its
 * program may add what only that program has (a function, a collation, the
 * module of a virtual table); then no secondary could write those tables, and
 * what was published stays what it was.
 */
#include "sync/open.h"
#include "sync/replica_statements.h"
#include "sync/source_internal.h"

int
source_check_writable(struct source *s, const struct schema *live,
    struct err *e)
{
    int r;

    if (s->state.revision == 0)
        return 0; /* whoever attaches it looks, and nothing was sent */
    database_allow_shadows(s->live, live->has_shadows);
    r = row_tables_check(s->live, live, e);
    database_allow_shadows(s->live, false);
    if (r == 0 || e->code != ERR_UNSUPPORTED)
        return r;
    source_hold(s, "%s", e->message);
    source_held_error(s, e);
    err_hint(e,
        "Undo that change of the schema, or take the dataset out with "
        "\"lockstep dataset remove %s\".",
        s->config.name);
    return -1;
}

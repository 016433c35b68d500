/*
 * The live file's schema changes repeated in the published copy, inside the
 * transaction of a publish.
 */
#include "sync/source_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sync/ddl.h"
#include "sync/open.h"

/* Takes SCHEMA over as the published copy's. */
static void
adopt_schema(struct source *s, struct schema *schema)
{
    source_statements_reset(s);
    capture_keys_release(&s->journal);
    free(s->statements);
    s->statements = NULL;
    schema_free(s->schema);
    s->schema = schema;
    source_statements_reset(s);
    database_allow_shadows(s->published, schema->has_shadows);
}

int
source_undo_ddl(struct source *s, struct err *e)
{
    struct schema *before = NULL;

    source_statements_reset(s);
    if (schema_load(&before, s->published, e) != 0)
        return -1;
    adopt_schema(s, before);
    return 0;
}

/* Executes a list of statements; *SAME is false when SQLite refuses one, or
 * when they lead elsewhere than to LIVE. */
static int
repeat(struct source *s, const struct schema *live, const struct buf *ddl,
    struct ddl_effect *effect, bool *same, struct err *e)
{
    struct reader list = reader_over(ddl->data, ddl->len);

    *same = false;
    if (ddl_run(s->published, s->schema, &list, effect, e) != 0) {
        if (e->code != ERR_SCHEMA && e->code != ERR_INVALID)
            return -1;
        err_clear(e);
        return 0;
    }
    *same = memcmp(effect->after->hash, live->hash, HASH_SIZE) == 0;
    return 0;
}

/* One way to the live schema, in a savepoint. */
static int
try_plan(struct source *s, const struct schema *live, enum schema_plan plan,
    struct ddl_attempt *a, bool *same, struct err *e)
{
    struct ddl_effect effect = { 0 };
    int r = -1;

    *same = false;
    buf_clear(&a->ddl);
    if (schema_diff(s->schema, live, plan, &a->ddl, a->why, sizeof(a->why)) !=
        0)
        return 0;
    source_statements_reset(s);
    if (database_exec(s->published, "SAVEPOINT lockstep_ddl", e) != 0 ||
        repeat(s, live, &a->ddl, &effect, same, e) != 0)
        goto out;
    r = 0;
    if (!*same) {
        snprintf(a->why, sizeof(a->why),
            "a schema change that cannot be repeated");
        r = database_exec(s->published,
            "ROLLBACK TO lockstep_ddl; RELEASE lockstep_ddl", e);
        goto out;
    }
    if (database_exec(s->published, "RELEASE lockstep_ddl", e) != 0) {
        r = -1;
        goto out;
    }
    digest_sub_hash(&a->next->digest, effect.removed.sum);
    digest_add_hash(&a->next->digest, effect.added.sum);
    a->next->rows += effect.rows_added - effect.rows_removed;
    memcpy(a->next->schema_hash, effect.after->hash, HASH_SIZE);
    adopt_schema(s, effect.after);
    effect.after = NULL;
out:
    schema_free(effect.after);
    return r;
}

int
source_repeat_ddl(struct source *s, const struct schema *live,
    struct ddl_attempt *a, bool *same, struct err *e)
{
    static const enum schema_plan plans[] = { SCHEMA_PLAIN, SCHEMA_CARRY,
        SCHEMA_ROWS };

    *same = false;
    for (size_t i = 0; !*same && i < sizeof(plans) / sizeof(plans[0]); i++)
        if (try_plan(s, live, plans[i], a, same, e) != 0)
            return -1;
    return 0;
}

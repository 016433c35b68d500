/*
 * The live file's schema changes repeated in the published copy, inside the
 * transaction of a publish.
 */
#include "sync/source_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
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

/* Adds or takes away a table's rows whole, when its columns changed. */
static int
rescan_changed_tables(struct source *s, const struct schema *schema,
    const struct schema *other, bool add, struct digest *digest, struct err *e)
{
    for (size_t i = 0; i < schema->table_count; i++) {
        const struct table *t = &schema->tables[i];
        const struct table *o = schema_find_table(other, t->name);
        struct digest d;
        uint64_t rows = 0;

        if (o == NULL || table_same_shape(t, o))
            continue;
        digest_zero(&d);
        if (digest_scan_table(s->published, t, &d, &rows, e) != 0)
            return -1;
        if (add)
            digest_add_hash(digest, d.sum);
        else
            digest_sub_hash(digest, d.sum);
    }
    return 0;
}

static int
execute_ddl(sqlite3 *db, const struct buf *ddl, struct err *e)
{
    struct reader r = reader_over(ddl->data, ddl->len);
    uint64_t count = reader_varint(&r);
    int result = 0;

    for (uint64_t i = 0; result == 0 && i < count; i++) {
        size_t len = (size_t)reader_varint(&r);
        char *sql = alloc_copy(reader_take(&r, len), len);

        result = database_exec(db, sql, e);
        free(sql);
    }
    return result;
}

int
source_repeat_ddl(struct source *s, const struct schema *live,
    const struct buf *ddl, struct dataset_state *next, bool *same,
    struct err *e)
{
    struct schema *new = NULL;
    struct err failure = ERR_INIT;
    int r = -1;

    *same = false;
    if (rescan_changed_tables(s, s->schema, live, false, &next->digest, e) != 0)
        return -1;
    source_statements_reset(s);
    if (execute_ddl(s->published, ddl, &failure) != 0)
        return 0;
    if (schema_load(&new, s->published, e) != 0)
        return -1;
    if (memcmp(new->hash, live->hash, HASH_SIZE) != 0) {
        r = 0;
        goto out;
    }
    if (rescan_changed_tables(s, new, s->schema, true, &next->digest, e) != 0)
        goto out;
    adopt_schema(s, new);
    new = NULL;
    memcpy(next->schema_hash, s->schema->hash, HASH_SIZE);
    *same = true;
    r = 0;
out:
    schema_free(new);
    return r;
}

/*
 * The schema changes of a bundle, inside the caller's transaction.  They were
 * signed by the primary; still only statements that shape a schema are run.
 *
 * Tables that the statements change are scanned before and after, so that the
 * digest follows.  Which tables those are is found by running the statements
 * once in a savepoint.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "sync/open.h"
#include "sync/replica_internal.h"

#define DDL_COUNT_MAX 10000
#define DDL_TEXT_MAX (1u << 20)

/* Statements that reach out of the schema, or out of the transaction. */
static int
authorize(void *ctx, int action, const char *a, const char *b,
    const char *database, const char *trigger)
{
    static const int refused[] = { SQLITE_ATTACH, SQLITE_DETACH, SQLITE_PRAGMA,
        SQLITE_TRANSACTION, SQLITE_SAVEPOINT };

    (void)ctx;
    (void)trigger;
    /* ADD COLUMN checks the table by this one itself. */
    if (action == SQLITE_PRAGMA && a != NULL && strcmp(a, "quick_check") == 0)
        return SQLITE_OK;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (action == refused[i])
            return SQLITE_DENY;
    if (action == SQLITE_FUNCTION && b != NULL &&
        sqlite3_stricmp(b, "load_extension") == 0)
        return SQLITE_DENY;
    if (database != NULL && strcmp(database, "main") != 0 &&
        strcmp(database, "temp") != 0)
        return SQLITE_DENY;
    return SQLITE_OK;
}

/* What stands in a schema, or changes one. */
static bool
shapes_schema(const char *sql)
{
    static const char *const words[] = { "CREATE ", "ALTER ", "DROP " };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strncasecmp(sql, words[i], strlen(words[i])) == 0)
            return true;
    return false;
}

static int
execute_one(sqlite3 *db, const char *sql, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    const char *tail = NULL;
    int rc;

    if (!shapes_schema(sql))
        return err_set(e, ERR_CORRUPT,
            "a bundle may change the schema only by "
            "CREATE, ALTER and DROP");
    sqlite3_set_authorizer(db, authorize, NULL);
    rc = sqlite3_prepare_v2(db, sql, -1, &stmt, &tail);
    if (rc == SQLITE_OK && stmt != NULL) {
        while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
            ;
        if (rc == SQLITE_DONE)
            rc = SQLITE_OK;
    }
    if (rc != SQLITE_OK)
        database_error(db, e, "could not change the schema");
    sqlite3_finalize(stmt);
    sqlite3_set_authorizer(db, NULL, NULL);
    if (rc != SQLITE_OK) {
        if (e->code != ERR_BUSY && e->code != ERR_NO_SPACE &&
            e->code != ERR_IO && e->code != ERR_CANCELLED)
            e->code = ERR_SCHEMA;
        return -1;
    }
    if (tail != NULL && tail[strspn(tail, " \t\r\n;")] != '\0')
        return err_set(e, ERR_CORRUPT,
            "malformed schema change: more than one statement");
    return 0;
}

/* Executes COUNT statements from a copy of the reader. */
static int
execute_all(sqlite3 *db, struct reader *body, uint64_t count, struct err *e)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t len = reader_varint(body);
        const uint8_t *text =
            len <= DDL_TEXT_MAX ? reader_take(body, (size_t)len) : NULL;
        char *sql;
        int r;

        if (text == NULL)
            return err_set(e, ERR_CORRUPT, "malformed schema change");
        sql = alloc_copy(text, (size_t)len);
        r = execute_one(db, sql, e);
        free(sql);
        if (r != 0)
            return -1;
    }
    return 0;
}

static bool
has_table_like(const struct schema *s, const struct table *t)
{
    const struct table *other = schema_find_table(s, t->name);

    return other != NULL && table_same_shape(other, t) &&
           strcmp(other->sql, t->sql) == 0;
}

/* Sums the rows of those tables of A that B has not got alike. */
static int
scan_others(sqlite3 *db, const struct schema *a, const struct schema *b,
    struct digest *sum, uint64_t *rows, struct err *e)
{
    digest_zero(sum);
    *rows = 0;
    for (size_t i = 0; i < a->table_count; i++)
        if (!has_table_like(b, &a->tables[i]) &&
            digest_scan_table(db, &a->tables[i], sum, rows, e) != 0)
            return -1;
    return 0;
}

/* The schema as it will be; the database stays as it is. */
static int
foresee_schema(sqlite3 *db, struct reader body, uint64_t count,
    struct schema **schema, struct err *e)
{
    int r = -1;

    if (database_exec(db, "SAVEPOINT lockstep_ddl", e) != 0)
        return -1;
    if (execute_all(db, &body, count, e) == 0 &&
        schema_load(schema, db, e) == 0)
        r = 0;
    if (r == 0)
        r = database_exec(db, "ROLLBACK TO lockstep_ddl; RELEASE lockstep_ddl",
            e);
    return r;
}

int
ddl_apply(struct row_work *w, struct reader *body, bool *changed, struct err *e)
{
    struct replica *r = w->r;
    uint64_t count = reader_varint(body);
    struct schema *after = NULL;
    struct schema *before;
    struct digest old, new;
    uint64_t old_rows, new_rows;
    int result = -1;

    *changed = false;
    if (body->failed || count > DDL_COUNT_MAX)
        return err_set(e, ERR_CORRUPT, "malformed schema changes");
    if (count == 0)
        return 0;
    *changed = true;
    before = r->schema;
    if (foresee_schema(r->db, *body, count, &after, e) != 0 ||
        scan_others(r->db, before, after, &old, &old_rows, e) != 0 ||
        execute_all(r->db, body, count, e) != 0 ||
        scan_others(r->db, after, before, &new, &new_rows, e) != 0)
        goto out;
    digest_sub_hash(&w->digest, old.sum);
    digest_add_hash(&w->digest, new.sum);
    w->rows = w->rows - old_rows + new_rows;
    result = live_load_schema(r, e);
out:
    schema_free(after);
    return result;
}

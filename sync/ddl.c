/*
 * Running schema changes, and knowing what they do.  They were signed by the
 * primary; still only statements that shape a schema are run.
 *
 * Tables that the statements change are scanned before and after, so that the
 * digest follows.  Which tables those are is found by running the statements
 * in a model first: a database in memory of the same schema, without rows.
 */
#include "sync/ddl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "sync/open.h"
#include "sync/sqltext.h"

#define DDL_COUNT_MAX 10000
#define DDL_TEXT_MAX (1u << 20)

static bool
is_one_of(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; text != NULL && i < count; i++)
        if (sqlite3_stricmp(text, list[i]) == 0)
            return true;
    return false;
}

/* Statements that reach out of the schema, or out of the transaction. */
static int
authorize(void *ctx, int action, const char *a, const char *b,
    const char *database, const char *trigger)
{
    static const int refused[] = { SQLITE_ATTACH, SQLITE_DETACH, SQLITE_PRAGMA,
        SQLITE_TRANSACTION, SQLITE_SAVEPOINT };
    /* ADD COLUMN checks the table; virtual tables ask about the file. */
    static const char *const pragmas[] = { "quick_check", "page_size",
        "data_version", "legacy_alter_table" };

    (void)ctx;
    (void)trigger;
    if (action == SQLITE_PRAGMA &&
        is_one_of(a, pragmas, sizeof(pragmas) / sizeof(pragmas[0])))
        return SQLITE_OK;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (action == refused[i])
            return SQLITE_DENY;
    if (action == SQLITE_FUNCTION && b != NULL &&
        sqlite3_stricmp(b, "load_extension") == 0)
        return SQLITE_DENY;
    /* Here alone the database comes first; behind it, a column to drop. */
    if (action == SQLITE_ALTER_TABLE)
        database = a;
    if (database != NULL && strcmp(database, "main") != 0 &&
        strcmp(database, "temp") != 0)
        return SQLITE_DENY;
    return SQLITE_OK;
}

/* What stands in a schema, changes one, or moves a table's rows over. */
static bool
shapes_schema(const char *sql)
{
    static const char *const words[] = { "CREATE ", "ALTER ", "DROP ",
        "INSERT " };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strncasecmp(sql, words[i], strlen(words[i])) == 0)
            return true;
    return strcmp(sql, DDL_LEGACY_ON) == 0 || strcmp(sql, DDL_LEGACY_OFF) == 0;
}

static int
step_through(sqlite3_stmt *stmt)
{
    int rc;

    do
        rc = sqlite3_step(stmt);
    while (rc == SQLITE_ROW);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int
ddl_execute(sqlite3 *db, const char *sql, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    const char *tail = NULL;
    int rc;

    if (!shapes_schema(sql))
        return err_set(e, ERR_CORRUPT,
            "a bundle may change the schema only by "
            "CREATE, ALTER, DROP and INSERT");
    sqlite3_set_authorizer(db, authorize, NULL);
    rc = sqlite3_prepare_v2(db, sql, -1, &stmt, &tail);
    if (rc == SQLITE_OK && stmt != NULL)
        rc = step_through(stmt);
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

static int
legacy_off(sqlite3 *db, struct err *e)
{
    if (sqlite3_db_config(db, SQLITE_DBCONFIG_LEGACY_ALTER_TABLE, 0, NULL) !=
        SQLITE_OK)
        return database_error(db, e, "could not change the schema");
    return 0;
}

/* Executes the statements of a list from a copy of the reader. */
static int
execute_list(sqlite3 *db, struct reader list, struct err *e)
{
    uint64_t count = reader_varint(&list);
    int r = legacy_off(db, e);

    for (uint64_t i = 0; r == 0 && i < count; i++) {
        uint64_t len = reader_varint(&list);
        const uint8_t *text = reader_take(&list, (size_t)len);
        char *sql = alloc_copy(text, (size_t)len);

        r = ddl_execute(db, sql, e);
        free(sql);
    }
    return r != 0 ? -1 : legacy_off(db, e);
}

/* Bounds every length of a list, and steps over it. */
static int
skip_list(struct reader *list, struct err *e)
{
    uint64_t count = reader_varint(list);

    if (list->failed || count > DDL_COUNT_MAX)
        return err_set(e, ERR_CORRUPT, "malformed schema changes");
    for (uint64_t i = 0; i < count; i++) {
        uint64_t len = reader_varint(list);

        if (len > DDL_TEXT_MAX || reader_take(list, (size_t)len) == NULL)
            return err_set(e, ERR_CORRUPT, "malformed schema change");
    }
    return 0;
}

static int
rename_table(sqlite3 *db, const char *from, const char *to, struct err *e)
{
    char *a = sql_quote_name(from), *b = sql_quote_name(to);
    char *sql = alloc_format("ALTER TABLE main.%s RENAME TO %s", a, b);
    int r = ddl_execute(db, sql, e);

    free(a);
    free(b);
    free(sql);
    return r;
}

/* What else stands in DB may refer to what is not there yet. */
static int
rename_and_back(sqlite3 *db, const char *name, struct err *e)
{
    if (ddl_execute(db, DDL_LEGACY_ON, e) != 0 ||
        rename_table(db, name, SCHEMA_RENAMED, e) != 0 ||
        rename_table(db, SCHEMA_RENAMED, name, e) != 0)
        return -1;
    return legacy_off(db, e);
}

int
ddl_make_object(sqlite3 *db, const struct schema *s,
    const struct schema_object *o, struct err *e)
{
    if (ddl_execute(db, o->sql, e) != 0)
        return err_wrap(e, "%s \"%s\"", o->type, o->name);
    if (!schema_is_virtual(o->sql) || schema_shadows_alike(db, s, o->name))
        return 0;
    if (rename_and_back(db, o->name, e) != 0)
        return err_wrap(e, "%s \"%s\"", o->type, o->name);
    return 0;
}

/* SQLite's own order: what stands on another comes after it. */
static int
fill_model(sqlite3 *model, const struct schema *s, struct err *e)
{
    static const char *const types[] = { "table", "index", "view", "trigger" };

    for (size_t n = 0; n < sizeof(types) / sizeof(types[0]); n++)
        for (size_t i = 0; i < s->object_count; i++) {
            const struct schema_object *o = &s->objects[i];

            if (strcmp(o->type, types[n]) == 0 && !o->is_shadow &&
                ddl_make_object(model, s, o, e) != 0)
                return -1;
        }
    return 0;
}

int
ddl_model(sqlite3 **model, const struct schema *s, struct err *e)
{
    struct schema *made = NULL;
    int r = -1;

    if (database_open(model, ":memory:", OPEN_WRITE, 0, e) != 0)
        return -1;
    if (fill_model(*model, s, e) != 0 ||
        schema_load_selected(&made, *model, s->selection_text, e) != 0)
        goto out;
    if (memcmp(made->hash, s->hash, HASH_SIZE) != 0) {
        err_set(e, ERR_SCHEMA, "the schema cannot be made from its own text");
        goto out;
    }
    r = 0;
out:
    schema_free(made);
    if (r != 0) {
        database_close(*model);
        *model = NULL;
    }
    return r;
}

/* The schema as it will be. */
static int
foresee(const struct schema *before, struct reader list, struct schema **after,
    struct err *e)
{
    sqlite3 *model = NULL;
    int r = -1;

    if (ddl_model(&model, before, e) == 0 &&
        execute_list(model, list, e) == 0 &&
        schema_load_selected(after, model, before->selection_text, e) == 0)
        r = 0;
    database_close(model);
    return r;
}

static bool
has_object(const struct schema *s, const struct schema_object *o)
{
    for (size_t i = 0; i < s->object_count; i++)
        if (strcmp(s->objects[i].type, o->type) == 0 &&
            strcmp(s->objects[i].name, o->name) == 0)
            return strcmp(s->objects[i].sql, o->sql) == 0;
    return false;
}

/* Whether S has, alike, what the shadow table T of OWN may belong to: with a
 * virtual table made anew come new shadow tables of the old texts. */
static bool
has_virtual_of(const struct schema *s, const struct schema *own,
    const struct table *t)
{
    for (size_t i = 0; i < own->object_count; i++) {
        const struct schema_object *o = &own->objects[i];
        size_t len = strlen(o->name);

        if (schema_is_virtual(o->sql) &&
            sqlite3_strnicmp(o->name, t->name, (int)len) == 0 &&
            t->name[len] == '_' && !has_object(s, o))
            return false;
    }
    return true;
}

static bool
has_table_like(const struct schema *s, const struct schema *own,
    const struct table *t)
{
    const struct table *other = schema_find_table(s, t->name);

    return other != NULL && table_same_shape(other, t) &&
           strcmp(other->sql, t->sql) == 0 &&
           (!t->is_shadow || has_virtual_of(s, own, t));
}

/* Sums the rows of those tables of A that B has not got alike. */
static int
scan_others(sqlite3 *db, const struct schema *a, const struct schema *b,
    struct digest *sum, uint64_t *rows, struct err *e)
{
    digest_zero(sum);
    *rows = 0;
    for (size_t i = 0; i < a->table_count; i++)
        if (!has_table_like(b, a, &a->tables[i]) &&
            digest_scan_table(db, &a->tables[i], sum, rows, e) != 0)
            return -1;
    return 0;
}

int
ddl_run(sqlite3 *db, const struct schema *before, struct reader *list,
    struct ddl_effect *effect, struct err *e)
{
    struct reader own = *list;
    struct schema *after = NULL;

    memset(effect, 0, sizeof(*effect));
    if (skip_list(list, e) != 0 || foresee(before, own, &after, e) != 0)
        goto fail;
    if (scan_others(db, before, after, &effect->removed, &effect->rows_removed,
            e) != 0 ||
        execute_list(db, own, e) != 0 ||
        schema_load(&effect->after, db, e) != 0)
        goto fail;
    if (memcmp(after->hash, effect->after->hash, HASH_SIZE) != 0) {
        err_set(e, ERR_SCHEMA,
            "the schema changes led elsewhere than foreseen");
        goto fail;
    }
    if (scan_others(db, effect->after, before, &effect->added,
            &effect->rows_added, e) != 0)
        goto fail;
    schema_free(after);
    return 0;
fail:
    schema_free(after);
    schema_free(effect->after);
    effect->after = NULL;
    return -1;
}

/*
 * Virtual tables.  One can be replicated when all of what it holds is in its
 * shadow tables, ordinary tables that are replicated like any other, and when
 * its module reads them anew after somebody else wrote them.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "sync/open.h"
#include "sync/schema.h"
#include "sync/sqltext.h"

static const char *const modules[] = { "fts5", "fts5vocab", "fts4", "fts3",
    "fts4aux", "rtree", "rtree_i32" };

bool
schema_is_virtual(const char *sql)
{
    static const char begin[] = "CREATE VIRTUAL TABLE ";

    return strncasecmp(sql, begin, sizeof(begin) - 1) == 0;
}

/* The word behind USING. */
static bool
find_module(const char *sql, enum sql_kind *kind, struct sql_slice *module)
{
    struct sql_slice rest = { sql, strlen(sql) };

    for (int i = 0; i < 4; i++) /* CREATE VIRTUAL TABLE name */
        if (sql_next_visible(&rest, module) == SQL_END)
            return false;
    while ((*kind = sql_next_visible(&rest, module)) != SQL_END)
        if (*kind == SQL_WORD && sql_is_word(*module, "using")) {
            *kind = sql_next_visible(&rest, module);
            return *kind != SQL_END;
        }
    return false;
}

static bool
is_known(const char *sql)
{
    struct sql_slice module;
    enum sql_kind kind;

    if (!find_module(sql, &kind, &module))
        return false;
    for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
        if (sql_is_name(kind, module, modules[i]))
            return true;
    return false;
}

/* Whether the module can make the table here: it may lack a tokenizer. */
static bool
can_be_read(sqlite3 *db, const char *name)
{
    char *quoted = sql_quote_name(name);
    char *sql = alloc_format("SELECT * FROM main.%s", quoted);
    sqlite3_stmt *stmt = NULL;
    struct err ignored = ERR_INIT;
    bool ok = database_prepare(db, sql, &stmt, &ignored) == 0;

    sqlite3_finalize(stmt);
    free(sql);
    free(quoted);
    return ok;
}

const char *
schema_refuse_virtual(sqlite3 *db, const char *name, const char *sql)
{
    if (!is_known(sql))
        return "it is a virtual table of a module other than fts3, fts4, fts5 "
               "and rtree";
    if (!can_be_read(db, name))
        return "it is a virtual table that cannot be opened here: does it need "
               "a tokenizer of its application's?";
    return NULL;
}

bool
schema_shadows_alike(sqlite3 *db, const struct schema *s, const char *name)
{
    size_t len = strlen(name);
    struct err ignored = ERR_INIT;
    sqlite3_stmt *stmt = NULL;
    bool alike = true;

    if (database_prepare(db,
            "SELECT 1 FROM main.sqlite_schema WHERE type='table' AND name=?1"
            " AND sql<>?2",
            &stmt, &ignored) != 0)
        return false;
    for (size_t i = 0; alike && i < s->object_count; i++) {
        const struct schema_object *o = &s->objects[i];

        if (!o->is_shadow || strcmp(o->type, "table") != 0 ||
            strncmp(o->name, name, len) != 0 || o->name[len] != '_')
            continue;
        sqlite3_bind_text(stmt, 1, o->name, -1, SQLITE_STATIC);
        sqlite3_bind_text(stmt, 2, o->sql, -1, SQLITE_STATIC);
        alike = sqlite3_step(stmt) == SQLITE_DONE;
        sqlite3_reset(stmt);
    }
    sqlite3_finalize(stmt);
    return alike;
}

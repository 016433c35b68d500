/*
 * A selection over a schema: what it leaves out, which columns it keeps from
 * being sent, by which condition rows belong to the node, and whether that can
 * be done at all.
 */
#include "sync/schema_select.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/open.h"
#include "sync/sqltext.h"

static const char *
column_text(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);

    return text == NULL ? "" : text;
}

/* The first reason stays. */
static void
set_conflict(struct schema *s, char *why)
{
    if (s->conflict == NULL)
        s->conflict = why;
    else
        free(why);
}

static char *
belongs_to_virtual(const char *shadow)
{
    return alloc_format("table \"%s\" belongs to a virtual table", shadow);
}

/* A shadow table's virtual table has its name up to the last underscore. */
static bool
owner_is_left_out(const struct schema *s, const char *shadow)
{
    const char *end = strrchr(shadow, '_');
    char *owner;
    bool yes;

    if (end == NULL)
        return false;
    owner = alloc_copy(shadow, (size_t)(end - shadow));
    yes = selection_excludes(&s->selection, owner);
    free(owner);
    return yes;
}

int
schema_select_begin(struct schema *s, sqlite3 *db, struct err *e)
{
    sqlite3_stmt *stmt;
    int rc;

    if (selection_read(&s->selection, s->selection_text, e) != 0)
        return -1;
    if (s->selection.count == 0)
        return 0;
    if (database_prepare(db,
            "SELECT name FROM pragma_table_list"
            " WHERE schema='main' AND type='shadow'",
            &stmt, e) != 0)
        return -1;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *name = column_text(stmt, 0);

        if (!owner_is_left_out(s, name)) {
            if (selection_excludes(&s->selection, name))
                set_conflict(s, belongs_to_virtual(name));
            continue;
        }
        s->left_out = alloc_resize(s->left_out, s->left_out_count + 1,
            sizeof(*s->left_out));
        s->left_out[s->left_out_count++] = alloc_string(name);
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE
               ? 0
               : database_error(db, e, "could not read the schema");
}

bool
schema_leaves_out(const struct schema *s, const char *table)
{
    for (size_t i = 0; i < s->left_out_count; i++)
        if (strcmp(s->left_out[i], table) == 0)
            return true;
    return s->selection.count > 0 && selection_excludes(&s->selection, table);
}

/* Whether TYPE has PART in it, in any case. */
static bool
type_has(const char *type, const char *part)
{
    size_t len = strlen(part);

    for (; strlen(type) >= len; type++)
        if (sqlite3_strnicmp(type, part, (int)len) == 0)
            return true;
    return false;
}

/* By the affinity of the declared type:
 * https://www.sqlite.org/datatype3.html section 3.1 */
static const char *
filler_of(const char *type)
{
    if (type_has(type, "int"))
        return "0";
    if (type_has(type, "char") || type_has(type, "clob") ||
        type_has(type, "text"))
        return "''";
    if (type[0] == '\0' || type_has(type, "blob"))
        return "x''";
    return "0";
}

static bool
demands_value(sqlite3_stmt *stmt)
{
    return sqlite3_column_int(stmt, 3) != 0 &&
           (sqlite3_column_type(stmt, 4) == SQLITE_NULL ||
               sqlite3_stricmp(column_text(stmt, 4), "null") == 0);
}

bool
schema_keep_column(struct schema *s, struct table *t, sqlite3_stmt *stmt)
{
    const struct selection_table *of =
        s->selection.count > 0 ? selection_find(&s->selection, t->name) : NULL;
    const char *name = column_text(stmt, 1);

    if (!selection_has_column(of, name))
        return false;
    if (sqlite3_column_int(stmt, 5) > 0) {
        set_conflict(s,
            alloc_format("column \"%s\" of table \"%s\" cannot be protected: "
                         "it is part of the primary key",
                name, t->name));
        return false;
    }
    t->kept =
        alloc_resize(t->kept, (size_t)t->kept_count + 1, sizeof(*t->kept));
    t->kept[t->kept_count++] = (struct kept_column){
        .name = alloc_string(name),
        .filler = demands_value(stmt) ? filler_of(column_text(stmt, 2)) : NULL,
    };
    return true;
}

static bool
is_kept(const struct table *t, const char *column)
{
    for (int i = 0; i < t->kept_count; i++)
        if (sqlite3_stricmp(t->kept[i].name, column) == 0)
            return true;
    return false;
}

bool
schema_sends_column(const struct table *t, const char *column)
{
    for (int i = 0; i < t->column_count; i++)
        if (sqlite3_stricmp(t->columns[i].name, column) == 0)
            return true;
    return false;
}

/* Every name of the selection must be one of the table. */
static void
check_names(struct schema *s, const struct table *t,
    const struct selection_table *of)
{
    for (size_t i = 0; i < of->column_count; i++)
        if (!is_kept(t, of->columns[i]))
            set_conflict(s,
                alloc_format("table \"%s\" has no column \"%s\" to protect",
                    t->name, of->columns[i]));
}

static const char *
index_text(const struct schema *s, const char *name)
{
    for (size_t i = 0; i < s->object_count; i++)
        if (strcmp(s->objects[i].type, "index") == 0 &&
            strcmp(s->objects[i].name, name) == 0)
            return s->objects[i].sql;
    return "";
}

/* Whether what a unique index is over may depend on a protected column. */
static bool
index_needs_kept(const struct schema *s, const struct table *t,
    const char *index, const char *column, bool is_column)
{
    const char *text = index_text(s, index);

    if (is_column && (is_kept(t, column) || !schema_sends_column(t, column)))
        return true; /* itself, or a generated column */
    for (int i = 0; i < t->kept_count; i++)
        if (sql_mentions((struct sql_slice){ text, strlen(text) },
                t->kept[i].name))
            return true;
    return false;
}

static int
check_unique(struct schema *s, const struct table *t, sqlite3 *db,
    struct err *e)
{
    sqlite3_stmt *stmt;
    int rc;

    if (t->kept_count == 0)
        return 0;
    if (database_prepare(db,
            "SELECT l.name,x.cid,x.name FROM pragma_index_list(?1,'main') l,"
            " pragma_index_xinfo(l.name,'main') x"
            " WHERE l.\"unique\" AND x.key ORDER BY l.name",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, t->name, -1, SQLITE_STATIC);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        if (index_needs_kept(s, t, column_text(stmt, 0), column_text(stmt, 2),
                sqlite3_column_int(stmt, 1) >= 0))
            set_conflict(s,
                alloc_format("a column of table \"%s\" cannot be protected: "
                             "the unique index \"%s\" is over it",
                    t->name, column_text(stmt, 0)));
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE
               ? 0
               : database_error(db, e, "could not read the schema");
}

/* What a filter may do, while it is prepared. */
struct filter_check {
    const struct table *t;
    int selects;
    char *why; /* NULL: all is well */
};

/* Built-in functions that give the same for the same arguments anywhere. */
static bool
is_deterministic(const char *function)
{
    static const char *const known[] = { "abs", "char", "coalesce", "glob",
        "hex", "ifnull", "iif", "instr", "length", "like", "likelihood",
        "likely", "lower", "ltrim", "max", "min", "nullif", "quote", "replace",
        "round", "rtrim", "substr", "substring", "trim", "typeof", "unicode",
        "unlikely", "upper" };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (sqlite3_stricmp(known[i], function) == 0)
            return true;
    return false;
}

static int
authorize_filter(void *ctx, int action, const char *a, const char *b,
    const char *database, const char *trigger)
{
    struct filter_check *c = ctx;

    (void)database;
    (void)trigger;
    if (action == SQLITE_SELECT && ++c->selects == 1)
        return SQLITE_OK;
    if (action == SQLITE_READ && sqlite3_stricmp(a, c->t->name) == 0 &&
        (b[0] == '\0' || schema_sends_column(c->t, b) ||
            sqlite3_stricmp(b, "ROWID") == 0))
        return SQLITE_OK;
    if (action == SQLITE_FUNCTION && is_deterministic(b))
        return SQLITE_OK;
    if (c->why == NULL && action == SQLITE_READ)
        c->why = alloc_format("it reads \"%s\", which is not sent", b);
    if (c->why == NULL && action == SQLITE_FUNCTION)
        c->why = alloc_format("it uses %s()", b);
    if (c->why == NULL)
        c->why = alloc_string("it is more than an expression over the row");
    return SQLITE_DENY;
}

/* The filter is part of every statement that reads the table. */
static void
check_filter(struct schema *s, struct table *t, sqlite3 *db)
{
    struct filter_check check = { .t = t };
    sqlite3_stmt *stmt = NULL;
    char *name = sql_quote_name(t->name);
    char *sql = alloc_format("SELECT 1 FROM main.%s WHERE NOT coalesce((%s),0)",
        name, t->filter);

    sqlite3_set_authorizer(db, authorize_filter, &check);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        set_conflict(s,
            alloc_format("rows of table \"%s\" cannot be told apart by \"%s\": "
                         "%s",
                t->name, t->filter,
                check.why != NULL ? check.why : sqlite3_errmsg(db)));
        free(t->filter);
        t->filter = NULL;
    }
    sqlite3_set_authorizer(db, NULL, NULL);
    sqlite3_finalize(stmt);
    free(check.why);
    free(sql);
    free(name);
}

/* A virtual table is sent or left out, with all that it holds. */
static int
check_virtual(struct schema *s, const struct schema_object *o, sqlite3 *db,
    struct err *e)
{
    char *why;

    if (!schema_is_virtual(o->sql))
        return 0;
    if (selection_find(&s->selection, o->name) != NULL)
        set_conflict(s,
            alloc_format("no part of table \"%s\" can be protected: it is a "
                         "virtual table; exclude it",
                o->name));
    if (schema_check_content(s, o, db, &why, e) != 0)
        return -1;
    if (why != NULL)
        set_conflict(s, why);
    return 0;
}

int
schema_select_end(struct schema *s, sqlite3 *db, struct err *e)
{
    for (size_t i = 0; i < s->table_count && s->selection.count > 0; i++) {
        struct table *t = &s->tables[i];
        const struct selection_table *of =
            selection_find(&s->selection, t->name);

        if (of == NULL || t->unsupported != NULL)
            continue;
        check_names(s, t, of);
        if (t->kept_count > 0 && t->column_count == 0)
            set_conflict(s,
                alloc_format("all columns of table \"%s\" are protected; "
                             "exclude it",
                    t->name));
        if (check_unique(s, t, db, e) != 0)
            return -1;
        if (t->is_shadow)
            set_conflict(s, belongs_to_virtual(t->name));
        if (of->filter == NULL)
            continue;
        t->filter = alloc_string(of->filter);
        check_filter(s, t, db);
    }
    for (size_t i = 0; i < s->object_count && s->selection.count > 0; i++)
        if (check_virtual(s, &s->objects[i], db, e) != 0)
            return -1;
    return 0;
}

/*
 * How to get from one schema to another by DDL.  Every statement is tried in a
 * model first, a database in memory without rows, and the whole is accepted
 * only if the model ends with the schema wanted, letter by letter.
 *
 * The plain way is tried first: it leaves alone what is alike.  The others drop
 * all triggers and views, which hold no rows and stand in the way of ALTER
 * TABLE, and make them again from their text.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/ddl.h"
#include "sync/open.h"
#include "sync/schema_plan.h"

static void
add_statement(struct plan *p, const char *sql)
{
    size_t len = strlen(sql);

    buf_put_varint(&p->text, len);
    buf_put(&p->text, sql, len);
    p->count++;
}

bool
plan_try(struct plan *p, const char *fmt, ...)
{
    va_list ap;
    char *text;
    bool ok;

    va_start(ap, fmt);
    text = alloc_vformat(fmt, ap);
    va_end(ap);
    err_clear(&p->error);
    ok = ddl_execute(p->model, text, &p->error) == 0;
    if (ok)
        add_statement(p, text);
    free(text);
    return ok;
}

bool
plan_set_legacy(struct plan *p, bool on)
{
    if (p->legacy == on)
        return true;
    p->legacy = on;
    return plan_try(p, "%s", on ? DDL_LEGACY_ON : DDL_LEGACY_OFF);
}

struct plan_mark
plan_mark(struct plan *p)
{
    struct err ignored = ERR_INIT;

    database_exec(p->model, "SAVEPOINT plan", &ignored);
    return (struct plan_mark){ p->text.len, p->count, p->legacy };
}

void
plan_keep(struct plan *p)
{
    struct err ignored = ERR_INIT;

    database_exec(p->model, "RELEASE plan", &ignored);
}

void
plan_undo(struct plan *p, struct plan_mark mark)
{
    struct err ignored = ERR_INIT;

    database_exec(p->model, "ROLLBACK TO plan; RELEASE plan", &ignored);
    sqlite3_db_config(p->model, SQLITE_DBCONFIG_LEGACY_ALTER_TABLE,
        (int)mark.legacy, NULL);
    p->text.len = mark.len;
    p->count = mark.count;
    p->legacy = mark.legacy;
}

/* The stored text of an object in the model; fresh, "" if there is none. */
static char *
stored_text(struct plan *p, const char *type, const char *name)
{
    struct err ignored = ERR_INIT;
    sqlite3_stmt *stmt = NULL;
    char *text = NULL;

    if (database_prepare(p->model,
            "SELECT sql FROM main.sqlite_schema WHERE type=?1 AND name=?2",
            &stmt, &ignored) != 0)
        return alloc_string("");
    sqlite3_bind_text(stmt, 1, type, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, name, -1, SQLITE_STATIC);
    if (sqlite3_step(stmt) == SQLITE_ROW &&
        sqlite3_column_text(stmt, 0) != NULL)
        text = alloc_string((const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    return text != NULL ? text : alloc_string("");
}

char *
plan_table_text(struct plan *p, const char *name)
{
    return stored_text(p, "table", name);
}

bool
plan_has(struct plan *p, const struct schema_object *o)
{
    char *text = stored_text(p, o->type, o->name);
    bool has = strcmp(text, o->sql) == 0;

    free(text);
    return has;
}

bool
schema_object_is_table(const struct schema_object *o)
{
    return strcmp(o->type, "table") == 0;
}

const struct schema_object *
plan_object(const struct schema *s, const char *table)
{
    for (size_t i = 0; i < s->object_count; i++)
        if (schema_object_is_table(&s->objects[i]) &&
            strcmp(s->objects[i].name, table) == 0)
            return &s->objects[i];
    return NULL;
}

static const struct schema_object *
find_object(const struct schema *s, const struct schema_object *like)
{
    for (size_t i = 0; i < s->object_count; i++)
        if (strcmp(s->objects[i].type, like->type) == 0 &&
            strcmp(s->objects[i].name, like->name) == 0)
            return &s->objects[i];
    return NULL;
}

static bool
same_object(const struct schema_object *a, const struct schema_object *b)
{
    return a != NULL && b != NULL && strcmp(a->sql, b->sql) == 0 &&
           strcmp(a->table, b->table) == 0;
}

static bool
drop_object(struct plan *p, const struct schema_object *o)
{
    char *name = sql_quote_name(o->name);
    bool ok = plan_try(p, "DROP %s main.%s", o->type, name);

    free(name);
    return ok;
}

/* Drops objects of TYPE, the newest first, because a later one may stand on an
 * earlier one: those that differ, or ALL. */
static bool
drop_objects(struct plan *p, const char *type, bool all)
{
    for (size_t i = p->old->object_count; i > 0; i--) {
        const struct schema_object *o = &p->old->objects[i - 1];

        if (strcmp(o->type, type) == 0 &&
            (all || !same_object(o, find_object(p->new, o))) &&
            !drop_object(p, o))
            return false;
    }
    return true;
}

/* Indexes that differ, or whose table does: a table put out of the way would
 * keep their names taken. */
static bool
drop_indexes(struct plan *p, bool changed_tables)
{
    for (size_t i = p->old->object_count; i > 0; i--) {
        const struct schema_object *o = &p->old->objects[i - 1];
        const struct schema_object *table;

        if (strcmp(o->type, "index") != 0)
            continue;
        table = plan_object(p->old, o->table);
        if (same_object(o, find_object(p->new, o)) &&
            (!changed_tables ||
                same_object(table, plan_object(p->new, o->table))))
            continue;
        if (!drop_object(p, o))
            return false;
    }
    return true;
}

/* Makes what is missing of TYPE, in the order in which it was made. */
static bool
create_objects(struct plan *p, const char *type)
{
    for (size_t i = 0; i < p->new->object_count; i++) {
        const struct schema_object *o = &p->new->objects[i];

        if (strcmp(o->type, type) == 0 && !o->is_shadow && !plan_has(p, o) &&
            !(schema_is_virtual(o->sql) ? plan_make_virtual(p, o)
                                        : plan_try(p, "%s", o->sql)))
            return false;
    }
    return true;
}

static bool
create_dependants(struct plan *p)
{
    return create_objects(p, "index") && create_objects(p, "view") &&
           create_objects(p, "trigger");
}

/* Tables that are gone, unless a new one may be what became of them. */
static bool
drop_gone_tables(struct plan *p)
{
    for (size_t i = 0; i < p->new->object_count; i++)
        if (schema_object_is_table(&p->new->objects[i]) &&
            find_object(p->old, &p->new->objects[i]) == NULL)
            return true;
    for (size_t i = 0; i < p->old->object_count; i++) {
        const struct schema_object *o = &p->old->objects[i];

        if (schema_object_is_table(o) && !o->is_shadow &&
            find_object(p->new, o) == NULL && !drop_object(p, o))
            return false;
    }
    return true;
}

/* What is alike is left alone. */
static bool
plan_plain(struct plan *p)
{
    if (!drop_objects(p, "trigger", false) || !drop_objects(p, "view", false) ||
        !drop_indexes(p, false))
        return false;
    plan_alter_tables(p);
    return drop_gone_tables(p) && create_objects(p, "table") &&
           create_dependants(p);
}

static bool
plan_thorough(struct plan *p, bool carry)
{
    if (!drop_objects(p, "trigger", true) || !drop_objects(p, "view", true) ||
        !drop_indexes(p, true))
        return false;
    if (carry) {
        if (!plan_rename_tables(p))
            return false;
        plan_alter_tables(p);
    }
    return plan_replace_tables(p, carry) && create_dependants(p);
}

static bool
reached(struct plan *p)
{
    struct schema *made = NULL;
    bool same = schema_load_selected(&made, p->model, p->new->selection_text,
                    &p->error) == 0 &&
                memcmp(made->hash, p->new->hash, HASH_SIZE) == 0;

    schema_free(made);
    return same;
}

static bool
run_plan(struct plan *p, enum schema_plan kind)
{
    bool ok;

    p->origins = alloc_zeroed(p->new->table_count + 1, sizeof(char *));
    ok = (kind == SCHEMA_PLAIN ? plan_plain(p)
                               : plan_thorough(p, kind == SCHEMA_CARRY)) &&
         reached(p);
    for (size_t i = 0; i < p->new->table_count; i++)
        free(p->origins[i]);
    free(p->origins);
    return ok;
}

static const char *
first_unsupported(const struct schema *s)
{
    for (size_t i = 0; i < s->table_count; i++)
        if (s->tables[i].unsupported != NULL)
            return s->tables[i].name;
    return NULL;
}

/* A table made anew would lose, on a secondary, what is that server's own. */
static const char *
first_protected_anew(const struct schema *old, const struct schema *new)
{
    for (size_t i = 0; i < old->table_count; i++) {
        const struct table *t = &old->tables[i];
        const struct table *now = schema_find_table(new, t->name);

        if ((t->kept_count > 0 || t->filter != NULL) &&
            (now == NULL || strcmp(now->sql, t->sql) != 0))
            return t->name;
    }
    return NULL;
}

int
schema_diff(const struct schema *old, const struct schema *new,
    enum schema_plan kind, struct buf *ddl, char *why, size_t why_size)
{
    struct plan p = { .old = old, .new = new };
    const char *unsupported = first_unsupported(new);
    const char *protected =
        kind == SCHEMA_PLAIN ? NULL : first_protected_anew(old, new);
    bool ok = false;

    if (unsupported != NULL) {
        snprintf(why, why_size, "table \"%s\" cannot be sent row by row",
            unsupported);
        return 1;
    }
    if (protected != NULL) {
        snprintf(why, why_size,
            "table \"%s\", of which a part is protected, was made anew",
            protected);
        return 1;
    }
    if (ddl_model(&p.model, old, &p.error) == 0)
        ok = run_plan(&p, kind);
    if (ok) {
        buf_put_varint(ddl, p.count);
        buf_put(ddl, p.text.data, p.text.len);
    } else {
        snprintf(why, why_size,
            "the schema changed in a way that cannot be "
            "repeated%s%s",
            p.error.code != ERR_NONE ? ": " : "",
            p.error.code != ERR_NONE ? p.error.message : "");
    }
    database_close(p.model);
    buf_release(&p.text);
    return ok ? 0 : 1;
}

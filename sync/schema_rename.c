/*
 * Tables that were renamed, virtual ones too: which old name explains a new
 * table, and whether references followed the name.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/schema_plan.h"

/* How many tables of NEW the model has not got letter by letter. */
static size_t
count_differences(struct plan *p)
{
    size_t n = 0;

    for (size_t i = 0; i < p->new->object_count; i++)
        if (schema_object_is_table(&p->new->objects[i]) &&
            !plan_has(p, &p->new->objects[i]))
            n++;
    return n;
}

static bool
rename_table(struct plan *p, const char *from, const char *to, bool legacy)
{
    char *a = sql_quote_name(from), *b = sql_quote_name(to);
    bool ok = plan_set_legacy(p, legacy) &&
              plan_try(p, "ALTER TABLE %s RENAME TO %s", a, b);

    free(a);
    free(b);
    return ok;
}

/* How many tables would still differ after renaming FROM to T so; SIZE_MAX when
 * T itself would. */
static size_t
differences_after(struct plan *p, const char *from, const struct table *t,
    bool legacy)
{
    struct plan_mark mark = plan_mark(p);
    const struct schema_object *o = plan_object(p->new, t->name);
    size_t n = SIZE_MAX;

    if (o != NULL && rename_table(p, from, t->name, legacy) && plan_has(p, o))
        n = count_differences(p);
    plan_undo(p, mark);
    return n;
}

/* Whether OLD may have become another table: it is gone, or (LIVES_ON) there is
 * one of its name that is not it. */
static bool
may_be_renamed(struct plan *p, const struct table *old, bool lives_on)
{
    const struct table *same = schema_find_table(p->new, old->name);

    if (old->is_shadow || old->unsupported != NULL)
        return false;
    if (same == NULL)
        return !lives_on;
    return lives_on && strcmp(same->sql, old->sql) != 0;
}

static bool
is_taken(struct plan *p, const char *old)
{
    for (size_t i = 0; i < p->new->table_count; i++)
        if (p->origins[i] != NULL && strcmp(p->origins[i], old) == 0)
            return true;
    return false;
}

/* Finds the table that became T, and renames it. */
static bool
rename_into(struct plan *p, const struct table *t, bool lives_on)
{
    for (size_t i = 0; i < p->old->table_count; i++) {
        const struct table *old = &p->old->tables[i];
        size_t strict, legacy;

        if (!may_be_renamed(p, old, lives_on) || is_taken(p, old->name) ||
            !table_same_shape(old, t))
            continue;
        strict = differences_after(p, old->name, t, false);
        legacy = differences_after(p, old->name, t, true);
        if (strict == SIZE_MAX && legacy == SIZE_MAX)
            continue;
        if (!rename_table(p, old->name, t->name, legacy < strict))
            return false;
        p->origins[t - p->new->tables] = alloc_string(old->name);
        return true;
    }
    return true;
}

/* The object of OLD that became the virtual table O, and is gone. */
static bool
rename_virtual_into(struct plan *p, const struct schema_object *o)
{
    for (size_t i = 0; i < p->old->object_count; i++) {
        const struct schema_object *old = &p->old->objects[i];
        struct plan_mark mark;

        if (!schema_is_virtual(old->sql) ||
            plan_object(p->new, old->name) != NULL || !plan_has(p, old))
            continue;
        mark = plan_mark(p);
        if (rename_table(p, old->name, o->name, false) && plan_has(p, o)) {
            plan_keep(p);
            return true;
        }
        plan_undo(p, mark);
    }
    return false;
}

static void
rename_virtuals(struct plan *p)
{
    for (size_t i = 0; i < p->new->object_count; i++) {
        const struct schema_object *o = &p->new->objects[i];

        if (schema_is_virtual(o->sql) && plan_object(p->old, o->name) == NULL)
            rename_virtual_into(p, o);
    }
}

bool
plan_make_virtual(struct plan *p, const struct schema_object *o)
{
    return plan_try(p, "%s", o->sql) &&
           (schema_shadows_alike(p->model, p->new, o->name) ||
               (rename_table(p, o->name, SCHEMA_RENAMED, false) &&
                   rename_table(p, SCHEMA_RENAMED, o->name, false)));
}

bool
plan_rename_tables(struct plan *p)
{
    rename_virtuals(p);
    for (int lives_on = 0; lives_on <= 1; lives_on++)
        for (size_t i = 0; i < p->new->table_count; i++) {
            const struct table *t = &p->new->tables[i];

            if (!t->is_shadow && p->origins[i] == NULL &&
                schema_find_table(p->old, t->name) == NULL &&
                !rename_into(p, t, lives_on))
                return false;
        }
    return true;
}
